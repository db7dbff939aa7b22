"""Rating in sets comes to what the one formula says of each report in turn, however they are dealt out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.billing.budgets.holding import place_hold
from apps.billing.ledger.posting import check_ledger, ledger_sum, payable_account
from apps.billing.metering.bill import Reported, Watched, bill
from apps.billing.metering.rating import lease, rate_usage
from apps.billing.models import EdgeTraffic, Hold, MeterReading, Transfer, UsageRecord
from apps.market.models import Agreement
from apps.money import plain
from apps.nodes.listeners import heard_ms
from apps.nodes.models import Node, NodeSession
from tests.billing.conftest import ms
from tests.cast import key_of_bee, posted_usage

pytestmark = pytest.mark.django_db
EPOCH = datetime.fromtimestamp(0, UTC)
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

span_ms = st.integers(0, 120_000)
reports = st.lists(
    st.fixed_dictionaries(
        {
            "gap_ms": st.integers(-30_000, 60_000),
            "length_ms": span_ms,
            "ahead_ms": st.sampled_from([0, 0, 1, 45_000, 3_600_000]),
            "running_ms": st.one_of(span_ms, st.sampled_from([2**63 - 1])),
            "cpu_ms": st.one_of(span_ms, st.sampled_from([2**63 - 1])),
            "egress_bytes": st.one_of(st.integers(0, 2**31), st.sampled_from([2**63 - 1])),
        }
    ),
    min_size=1,
    max_size=6,
)
chains = st.lists(
    st.fixed_dictionaries(
        {
            "reports": reports,
            "held": st.sampled_from([Decimal("0.00019"), Decimal("0.0002"), Decimal("0.1")]),
            "heard_s": st.tuples(st.integers(-60, 60), st.integers(61, 400)),
            "edge_bytes": st.integers(0, 2**32),
            "leased_s": st.integers(30, 600),
        }
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture
def settle(make_node: Any, make_offer: Any, make_agreement: Any, budget: Any) -> Any:
    """An agreement of an hour ago for each chain, with its money, its sessions and the edge's traffic."""

    def settle(drawn: list[dict[str, Any]]) -> list[Agreement]:
        return [_agreement(one, make_node, make_offer, make_agreement, budget) for one in drawn]

    return settle


@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(drawn=chains, rounds=st.integers(1, 3))
def test_it_bills_what_the_formula_says_of_each(
    settle: Any, drawn: list[dict[str, Any]], rounds: int
) -> None:
    agreements = settle(drawn)
    expected = {one.pk: list(_expected(one, each)) for one, each in zip(agreements, drawn, strict=True)}
    for number in range(rounds):
        for agreement, each in zip(agreements, drawn, strict=True):
            _store(agreement, each["reports"], part=(number, rounds))
        rate_usage()
    for agreement in agreements:
        rows = UsageRecord.objects.filter(agreement=agreement).order_by("sequence")
        found = rows.values_list(
            "billed_running_ms", "billed_cpu_ms", "billed_egress_bytes", "cost_glm", "reduced_because"
        )
        assert list(found) == expected[agreement.pk]
        assert Hold.objects.get(agreement=agreement).posted == sum(row[3] for row in found)
        _reading_is_the_sum_of(rows, MeterReading.objects.get(agreement=agreement))
    assert ledger_sum() == 0
    assert check_ledger() == []


def _reading_is_the_sum_of(rows: Any, reading: MeterReading) -> None:
    assert reading.sequence == rows.count()
    received_ms = [(row.received_at - EPOCH) // timedelta(milliseconds=1) for row in rows]
    assert reading.ended_at_ms == max(map(min, [row.ended_at_ms for row in rows], received_ms))
    assert reading.has_run == any(row.billed_running_ms for row in rows)
    assert reading.egress_bytes == sum(row.egress_bytes for row in rows)
    assert reading.egress_billed_bytes == sum(row.billed_egress_bytes for row in rows)


def test_it_asks_as_often_for_many_as_for_few(settle: Any, django_assert_num_queries: Any) -> None:
    plain = {"held": Decimal(1), "heard_s": (0, 400), "edge_bytes": 9, "leased_s": 600}
    minute = {"gap_ms": 0, "length_ms": 60_000, "running_ms": 60_000, "cpu_ms": 0, "egress_bytes": 8}
    drawn = [plain | {"reports": [minute] * 3} for _ in range(7)]
    for agreement, each in zip(settle(drawn), drawn, strict=True):
        _store(agreement, each["reports"], part=(0, 1))
    for node in Node.objects.all():
        payable_account(node)
    with django_assert_num_queries(18):
        assert rate_usage() == 21
    assert Transfer.objects.filter(kind="usage").count() == 21


def test_it_reads_the_meter_of_an_agreement_that_was_rated_before_there_were_any(settle: Any) -> None:
    plain = {"held": Decimal("0.2"), "heard_s": (0, 400), "edge_bytes": 0, "leased_s": 600}
    minute = {"gap_ms": 0, "length_ms": 60_000, "running_ms": 60_000, "cpu_ms": 0, "egress_bytes": 0}
    [agreement] = settle([plain])
    began_ms = ms(agreement.approved_at)
    ahead = posted_usage(agreement, ended_at_ms=began_ms + 2 * 3_600_000)
    UsageRecord.objects.filter(pk=ahead.pk).update(received_at=agreement.approved_at + timedelta(seconds=30))
    _store(agreement, [minute, minute], part=(1, 2))
    rate_usage()
    second = UsageRecord.objects.get(agreement=agreement, sequence=2)
    assert second.cost_glm == Decimal("0.00012"), "no start price: it has run before"
    assert MeterReading.objects.get(agreement=agreement).ended_at_ms == began_ms + 2 * 60_000


# -- what the reports are about -------------------------------------------------------------------------


def _agreement(
    drawn: dict[str, Any], make_node: Any, make_offer: Any, make_agreement: Any, budget: Any
) -> Agreement:
    began = timezone.now() - timedelta(hours=1)
    key = key_of_bee(uuid.uuid4().int)
    node = make_node(key, cpu_threads=Decimal(10_000))
    agreement: Agreement = make_agreement(make_offer(node), key, approved_at=began)
    opened, closed = (began + timedelta(seconds=each) for each in drawn["heard_s"])
    NodeSession.objects.create(
        node=node, opened_at=opened, last_seen_at=closed, closed_at=closed, channel="x"
    )
    EdgeTraffic.objects.create(agreement=agreement, minute=began, egress_bytes=drawn["edge_bytes"])
    hold = place_hold(
        budget=budget,
        reference=f"for:{agreement.pk}",
        amount_glm=drawn["held"],
        until=timezone.now() + timedelta(hours=1),
    )
    until = began + timedelta(seconds=drawn["leased_s"])
    Hold.objects.filter(pk=hold.pk).update(agreement=agreement, deadline_at=until)
    return agreement


def _store(agreement: Agreement, drawn: list[dict[str, Any]], *, part: tuple[int, int]) -> None:
    """Of `part[1]` parts in all, the one of this number: what the intake would have stored."""
    number, parts = part
    for sequence, (fields, started_ms) in enumerate(_told(agreement, drawn), 1):
        if sequence * parts // (len(drawn) + 1) == number:
            stored = UsageRecord.objects.create(
                agreement=agreement,
                sequence=sequence,
                hash=f"0x{uuid.uuid4().hex * 2}",
                started_at_ms=started_ms,
                ended_at_ms=started_ms + fields["length_ms"],
                running_ms=fields["running_ms"],
                cpu_ms=fields["cpu_ms"],
                egress_bytes=fields["egress_bytes"],
            )
            received_at = EPOCH + timedelta(milliseconds=_received_ms(fields, started_ms))
            UsageRecord.objects.filter(pk=stored.pk).update(received_at=received_at)


def _received_ms(fields: dict[str, Any], started_ms: int) -> int:
    """Before its end, when the Bee's clock is ahead."""
    return int(started_ms + fields["length_ms"] - fields.get("ahead_ms", 0))


def _told(agreement: Agreement, drawn: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], int]]:
    """Each report and the instant at which it says to begin."""
    assert agreement.approved_at is not None
    clock_ms = ms(agreement.approved_at)
    for fields in drawn:
        yield fields, clock_ms + fields["gap_ms"]
        clock_ms += fields["gap_ms"] + fields["length_ms"]


def _expected(agreement: Agreement, drawn: dict[str, Any]) -> Iterator[tuple[int, int, int, Decimal, str]]:
    """One report after the other by the formula alone; nothing is carried on but sums."""
    hold = Hold.objects.get(agreement=agreement)
    leased_from, leased_until = lease(hold, agreement)
    told = egress = latest_ms = 0
    ran, left = False, hold.amount
    for fields, started_ms in _told(agreement, drawn["reports"]):
        start, end = max(started_ms, latest_ms), _received_ms(fields, started_ms)
        told += fields["egress_bytes"]
        passed = max(end - start, 0)
        billed = bill(
            reported=Reported(fields["running_ms"], fields["cpu_ms"], told),
            watched=Watched(
                passed_ms=passed,
                leased_ms=max(min(end, leased_until) - max(start, leased_from), 0) if passed else 0,
                heard_ms=heard_ms(agreement.node_id, start, end) if passed else 0,
                cpu_threads=agreement.cpu_threads,
                edge_bytes=drawn["edge_bytes"],
            ),
            price=agreement.price,
            first=not ran,
            egress_billed_bytes=egress,
        )
        paid = min(billed.cost_glm, left)
        short = f"cost {plain(billed.cost_glm)} GLM, {plain(left)} GLM were left of its hold"
        why = [billed.reduced_because, short if paid < billed.cost_glm else ""]
        yield billed.running_ms, billed.cpu_ms, billed.egress_bytes, paid, "; ".join(filter(None, why))
        left, egress, latest_ms = left - paid, egress + billed.egress_bytes, max(latest_ms, end)
        ran = ran or billed.running_ms > 0
