"""No frame is larger than the Bee takes: what doesn't fit is left out, and the log says so."""

from __future__ import annotations

import logging
from decimal import Decimal

import msgspec
import pytest

from agent.protocol import (
    MAX_FRAME_BYTES,
    AgreementToSign,
    Assignment,
    Price,
    Proposal,
    Terms,
    Wanted,
    Workload,
    decode_from_queen,
    encode,
)
from hive_portal import switchboard
from hive_portal.exchange import Exchange
from hive_portal.framing import fitting, frame_bytes

NODE = "0x" + "ab" * 20


def assignment(number: int, *, environment_bytes: int) -> Assignment:
    workload = Workload(
        image="app",
        runtime="process",
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        environment={"A": "x" * environment_bytes},
    )
    return Assignment(
        assignment_id=str(number),
        agreement_id="a",
        replica="web-1",
        generation=1,
        lease_s=60.0,
        workload=workload,
    )


def wanted(*sizes: int) -> Wanted:
    """Assignments numbered from the newest, 0, to the oldest."""
    assignments = [assignment(number, environment_bytes=size) for number, size in enumerate(sizes)]
    return Wanted(
        revision=1, heartbeat_s=5.0, metering_interval_s=60.0, approved=True, assignments=assignments
    )


def terms(number: int, *, image_bytes: int) -> Terms:
    return Terms(
        agreement_id=str(number),
        requestor="r",
        provider="p",
        offer_id="o",
        runtime="process",
        image="i" * image_bytes,
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        price=Price(),
        valid_from_ms=0,
        expires_at_ms=1,
    )


def asked(number: int) -> Proposal:
    return Proposal(proposal_id=str(number), round=1, terms=terms(number, image_bytes=600))


def ids(wanted: Wanted) -> list[str]:
    return [one.assignment_id for one in wanted.assignments]


def test_it_sends_all_of_what_fits() -> None:
    few = wanted(*[60_000] * 17)
    assert fitting(few, node_id=NODE, before=None) is few


def test_it_leaves_out_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="hive.switchboard")
    fitted = fitting(wanted(*[60_000] * 20), node_id=NODE, before=None)
    assert ids(fitted) == [str(number) for number in range(3, 20)]
    assert isinstance(decode_from_queen(encode(fitted)), Wanted)
    assert f"node {NODE}: its wanted set has 120" in caplog.text
    assert "3 of 20 assignments are left out" in caplog.text


def test_leases_go_out_however_much_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asks a thousand tiny things of a Bee must not make it deaf."""
    caplog.set_level(logging.ERROR, logger="hive.switchboard")
    to_sign = [
        AgreementToSign(terms=terms(number, image_bytes=60_000), requestor_signature="")
        for number in range(10)
    ]
    flooded = msgspec.structs.replace(
        wanted(*[100_000] * 3), proposals=[asked(number) for number in range(1300)], agreements=to_sign
    )

    fitted = fitting(flooded, node_id=NODE, before=None)

    assert isinstance(decode_from_queen(encode(fitted)), Wanted)
    assert ids(fitted) == ["0", "1", "2"]
    assert fitted.agreements == to_sign
    assert 0 < len(fitted.proposals) < 1300
    assert fitted.proposals == flooded.proposals[: len(fitted.proposals)], "the oldest"
    assert f"{1300 - len(fitted.proposals)} of 1300 proposals are left out" in caplog.text


def test_proposals_alone_are_thinned_too() -> None:
    flooded = msgspec.structs.replace(wanted(), proposals=[asked(number) for number in range(2000)])
    assert 0 < len(fitting(flooded, node_id=NODE, before=None).proposals) < 2000


def test_it_takes_nothing_back_that_was_sent() -> None:
    everything = wanted(*[400_000] * 3)
    before = msgspec.structs.replace(everything, assignments=everything.assignments[:2])
    assert ids(fitting(everything, node_id=NODE, before=before)) == ["0", "1"]


def test_it_finds_room_beside_what_is_too_large() -> None:
    assert ids(fitting(wanted(10, 2_000_000, 10), node_id=NODE, before=None)) == ["0", "2"]


def test_it_never_asks_for_nothing_instead_of_too_much() -> None:
    hopeless = wanted(2_000_000)
    assert fitting(hopeless, node_id=NODE, before=None) is hopeless


async def test_it_holds_back_a_frame_that_must_be_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="hive.switchboard")
    sent = list[str]()

    async def send(event: dict[str, str]) -> None:
        sent.append(event["text"])

    link = switchboard.Link(send, Exchange())
    link.node_id = NODE
    huge, small = wanted(MAX_FRAME_BYTES), wanted(10)

    await link.tell(huge)
    await link.tell(small)

    assert sent == [encode(small)]
    assert f"node {NODE}: a Wanted of {frame_bytes(huge)} bytes is not sent" in caplog.text
