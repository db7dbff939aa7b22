"""One thing in a `Wanted` that can't be read or done: it alone is refused, with the reason."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent import clock
from agent.journal import Journal
from agent.price import Price
from agent.protocol import (
    AgreementToSign,
    Assignment,
    HealthCheck,
    OpenStream,
    Proposal,
    ProtocolError,
    Terms,
    UsageAck,
    Wanted,
    encode,
)
from agent.sifting import Sifted, read, spared
from tests.agent.queen_double import QueenDouble, assignment

HUGE = 10**25
DEEP = '{"type": "Wanted", "more": ' + "[" * 500_000


def terms(**changes: object) -> Terms:
    fields = {
        "agreement_id": str(uuid.uuid4()),
        "requestor": "0x1",
        "provider": "0x2",
        "offer_id": "offer",
        "runtime": "process",
        "image": "hive/hello:1",
        "cpu_threads": Decimal(1),
        "mem_gib": Decimal(1),
        "price": Price(),
        "valid_from_ms": 1,
        "expires_at_ms": 2,
    }
    return Terms(**(fields | changes))


def given(**changes: object) -> Assignment:
    return assignment(terms(), **changes)


def wanted(*assignments: Assignment, **changes: object) -> Wanted:
    fields = {"revision": 7, "heartbeat_s": 1.0, "metering_interval_s": 60.0, "approved": True}
    return Wanted(**(fields | {"assignments": list(assignments)} | changes))


def sifted(message: Wanted) -> Sifted:
    found = read(encode(message))
    assert isinstance(found, Sifted)
    return found


@pytest.mark.parametrize(
    "bad",
    [
        given(health=HealthCheck(retries=HUGE)),
        given(health=HealthCheck(interval_s=0)),
        given(health=HealthCheck(retries="three")),
        given(port=HUGE),
        given(stop_grace_s=-1),
        given(stop_grace_s=3600),
        given(environment={"A": "b\0--bind\0/\0/host"}),
        given(environment={"A\0B": "c"}),
        given(command=["a\0b"]),
        replace(given(), assignment_id="/etc"),
        replace(given(), assignment_id="../../images"),
        replace(given(), assignment_id=".."),
        replace(given(), assignment_id=""),
        replace(given(), assignment_id="a1\n"),
        replace(given(), lease_s=1e300),
        replace(given(), generation=-1),
    ],
)
def test_it_refuses_the_one_it_can_not_read(bad: Assignment) -> None:
    good = given()
    message = sifted(
        wanted(bad, good, usage_acks=[UsageAck(agreement_id="a", sequence=1, rated_glm=Decimal(0))])
    )
    assert (message.revision, message.approved, len(message.usage_acks)) == (7, True, 1)
    assert message.assignments[0] == good
    assert message.assignments[1].assignment_id == bad.assignment_id
    assert list(message.refusals) == [bad.assignment_id]
    assert message.refusals[bad.assignment_id].startswith("this bee can't read it: ")


def test_it_rejects_what_it_can_not_read_by_name() -> None:
    bad, good = terms(expires_at_ms=HUGE), terms()
    message = sifted(
        wanted(
            proposals=[Proposal(proposal_id="p1", round=HUGE, terms=good)],
            agreements=[AgreementToSign(terms=each, requestor_signature="0x") for each in (bad, good)],
        )
    )
    assert [each.terms for each in message.agreements] == [good]
    assert [(each.proposal_id, each.agreement_id) for each in message.rejections] == [
        ("p1", None),
        (None, bad.agreement_id),
    ]


def test_it_drops_an_acknowledgement_it_can_not_read() -> None:
    ack = UsageAck(agreement_id="a", sequence=HUGE, rated_glm=Decimal(0))
    assert sifted(wanted(given(), usage_acks=[ack])).usage_acks == []


def test_it_reads_what_is_whole_as_it_is() -> None:
    assert type(read(encode(wanted(given())))) is Wanted


@pytest.mark.parametrize(
    "frame", ["{", "[]", '{"type": "Wanted"}', '{"type": "Nonsense"}', " " * (1 << 21), DEEP]
)
def test_it_takes_no_frame_that_is_none(frame: str) -> None:
    with pytest.raises(ProtocolError):
        read(frame)
    stream = OpenStream(stream_id="s", assignment_id="a", generation=1)
    assert read(encode(stream)) == stream


def test_it_keeps_the_others_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    good, bad = given(), given(health=HealthCheck(retries=HUGE))
    journal.keep_assignments([(bad, 1.0), (good, 1.0)], clock.boot_id())
    assert journal.assignments(clock.boot_id()) == [(good, 1.0)]
    journal.close()


def test_it_says_what_failed() -> None:
    with spared("this") as trouble:
        raise OverflowError("too large")
    assert trouble.reason == "the agent failed: OverflowError('too large')"


@pytest.mark.real
async def test_it_runs_the_others(queen: QueenDouble, running_bee: Callable[..., object]) -> None:
    async with running_bee() as process:
        good, bad = assignment(await queen.agree()), assignment(await queen.agree())
        health = HealthCheck(retries=HUGE)
        bad = replace(bad, workload=replace(bad.workload, health=health))
        await queen.want(bad, good)
        seen = await queen.until(lambda: queen.is_seen(bad, "failed"))
        assert "can't read it" in seen.reason
        await queen.until(lambda: queen.is_seen(good, "healthy"))
        assert process.returncode is None
        assert len(queen.hellos) == 1
