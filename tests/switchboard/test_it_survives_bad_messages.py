"""Too much, twice, in the wrong order. The portal takes what is good of it and lives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.conf import settings
from eth_account.signers.local import LocalAccount
from msgspec.structs import replace

from agent import typed_data
from agent.protocol import (
    MAX_FRAME_BYTES,
    Observed,
    Offers,
    ProtocolError,
    Stats,
    Usage,
    UsageReports,
    Wanted,
    encode,
)
from apps.billing.models import MeteringFault, MeteringFaultKind, UsageRecord
from apps.market.models import Agreement
from apps.nodes.models import Node, Offer
from hive_portal import switchboard
from tests.cast import key_of_bee, signed_offer
from tests.switchboard.portal import Bee, eventually

Dial = Callable[[LocalAccount], Bee]
HEARTBEAT = Observed(revision=1, at_ms=0, assignments=[], stats=Stats(cpu_percent=1.0))


def report(agreement: Agreement, key: LocalAccount, sequence: int, previous: str) -> Usage:
    at_ms = int(agreement.valid_from.timestamp() * 1000)
    draft = Usage(
        agreement_id=str(agreement.id),
        sequence=sequence,
        previous_hash=previous,
        started_at_ms=at_ms + 10 * (sequence - 1),
        ended_at_ms=at_ms + 10 * sequence,
        running_ms=10,
        cpu_ms=1,
        egress_bytes=0,
        final=False,
        hash="",
        signature="",
    )
    message = typed_data.usage(draft, chain_id=settings.HIVE_CHAIN_ID)
    return replace(draft, hash=typed_data.digest(message), signature=typed_data.sign(message, key))


def chain(agreement: Agreement, key: LocalAccount, count: int) -> list[Usage]:
    reports: list[Usage] = []
    for sequence in range(1, count + 1):
        previous = reports[-1].hash if reports else typed_data.NO_HASH
        reports.append(report(agreement, key, sequence, previous))
    return reports


def sequences(agreement: Agreement) -> list[int]:
    return list(
        UsageRecord.objects.filter(agreement=agreement)
        .order_by("sequence")
        .values_list("sequence", flat=True)
    )


@pytest.mark.parametrize(
    ("written", "is_taken"),
    [(r"a\u0000b", False), (r"\\\u0000", False), (r"\\u0000", True), (r"\\\\u0000", True)],
)
def test_no_payload_can_print_what_ends_its_bees_link(written: str, is_taken: bool) -> None:
    """`\\u0000` in JSON is a NUL, which PostgreSQL can't store; a backslash and letters are words."""
    frame = encode(HEARTBEAT)[:-1] + f',"x":"{written}"}}'
    try:
        switchboard.read(frame)
    except ProtocolError:
        assert not is_taken
    else:
        assert is_taken


def test_what_is_too_deep_to_be_read_is_no_message() -> None:
    with pytest.raises(ProtocolError):
        switchboard.read('{"type":"Observed","x":' + "[" * 500_000)


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES + 1, 8 * MAX_FRAME_BYTES])
def test_a_frame_that_is_too_large_ends_that_link_alone(
    dial: Dial, node: Node, bee_key: LocalAccount, make_node: Callable[..., Node], size: int
) -> None:
    other = key_of_bee(41)
    make_node(other)
    sound, loud = dial(bee_key), dial(other)
    sound.join()
    loud.join()
    loud.socket.send('{"type":"Offers","offers":[],"x":"' + "x" * size + '"}')

    assert loud.close_code() == switchboard.MALFORMED
    assert f"at most {MAX_FRAME_BYTES} are taken" in (loud.socket.close_reason or "")
    sound.say(HEARTBEAT)
    eventually(lambda: was_heard(node), within_s=15)


def test_reports_that_come_in_any_order_and_again_are_stored_once_each(
    dial: Dial, agreement: Agreement, bee_key: LocalAccount
) -> None:
    """Sent until acknowledged, as a real Bee does, but each batch shuffled."""
    reports = chain(agreement, bee_key, 3)
    bee = dial(bee_key)
    bee.join()
    for order in permutations(reports):
        for each in (*order, *reversed(order)):
            bee.say(UsageReports(reports=[each]))

    eventually(lambda: sequences(agreement) == [1, 2, 3])
    while not any(ack.sequence == 3 for ack in bee.hear_a(Wanted).usage_acks):
        pass
    assert sequences(agreement) == [1, 2, 3]


def test_another_report_for_a_number_that_is_stored_is_a_fork_that_people_see(
    dial: Dial, agreement: Agreement, bee_key: LocalAccount
) -> None:
    [first] = chain(agreement, bee_key, 1)
    bee = dial(bee_key)
    bee.join()
    bee.say(UsageReports(reports=[first]))
    eventually(lambda: sequences(agreement) == [1])
    forged = replace(first, running_ms=9)
    message = typed_data.usage(forged, chain_id=settings.HIVE_CHAIN_ID)
    forged = replace(forged, hash=typed_data.digest(message), signature=typed_data.sign(message, bee_key))
    bee.say(UsageReports(reports=[forged]))

    eventually(lambda: MeteringFault.objects.filter(kind=MeteringFaultKind.FORK).count() == 1)
    assert UsageRecord.objects.get(agreement=agreement).running_ms == 10


@pytest.mark.parametrize("previous", ["0x12", "nonsense", "0x" + "zz" * 32])
def test_a_report_whose_predecessor_is_no_hash_is_a_fault_and_keeps_no_other_out(
    dial: Dial, agreement: Agreement, bee_key: LocalAccount, previous: str
) -> None:
    [good] = chain(agreement, bee_key, 1)
    bee = dial(bee_key)
    bee.join()
    bee.say(UsageReports(reports=[replace(good, sequence=2, previous_hash=previous), good]))

    eventually(lambda: sequences(agreement) == [1])
    eventually(lambda: MeteringFault.objects.filter(kind=MeteringFaultKind.SIGNATURE).exists())


def test_a_thousand_messages_at_once_are_one_after_the_other(
    dial: Dial, node: Node, bee_key: LocalAccount
) -> None:
    """A complete set replaces the one before it, however fast they come."""
    bee = dial(bee_key)
    bee.join()
    for _ in range(500):
        bee.say(HEARTBEAT)
        bee.say(Offers(offers=[]))
    last = signed_offer(bee_key)
    bee.say(Offers(offers=[last]))

    eventually(lambda: [str(each.id) for each in live(node)] == [last.offer_id], within_s=15)
    bee.say(HEARTBEAT)
    eventually(lambda: was_heard(node), within_s=15)


def was_heard(node: Node) -> bool:
    node.refresh_from_db()
    return bool(node.stats.get("cpu_percent") == 1.0)


def live(node: Node) -> Any:
    return Offer.objects.filter(node=node, state="live")
