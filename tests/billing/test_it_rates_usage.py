from datetime import timedelta
from decimal import Decimal
from unittest.mock import Mock

import pytest
from django.utils import timezone

from apps.billing.budgets.holding import free_ended_holds
from apps.billing.ledger.posting import balance, payable_account, transfer
from apps.billing.metering.intake import store_debit_notes, store_usage, usage_acks
from apps.billing.metering.rating import rate_usage
from apps.billing.models import (
    EdgeTraffic,
    Hold,
    MeteringFault,
    MeteringFaultKind,
    Transfer,
    TransferKind,
    UsageRecord,
)
from apps.market.models import AgreementState
from apps.nodes.models import NodeSession
from apps.teams.audit import Actor
from tests.billing.conftest import MINUTE_MS, Meter, ms

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_add_up")]
MINUTE_GLM = Decimal("0.000126")
START_GLM = Decimal("0.0001")


@pytest.fixture
def rate(node):
    def take_in(*reports):
        store_usage(node_id=node.id, reports=list(reports))
        rate_usage()
        return list(UsageRecord.objects.order_by("sequence"))

    return take_in


def test_it_posts_from_the_hold_to_the_node(rate, meter, hold, node, budget):
    rate(meter.report(), meter.report())
    owed = START_GLM + 2 * MINUTE_GLM
    hold.refresh_from_db()
    assert hold.posted == owed
    assert balance(payable_account(node)) == owed
    assert (budget.held_glm, budget.spent_glm) == (1 - owed, owed)
    assert rate_usage() == 0


def test_it_waits_for_a_heartbeat_that_is_still_on_its_way(rate, meter, listened, now):
    report = meter.report()
    NodeSession.objects.filter(pk=listened.pk).update(last_seen_at=now - timedelta(hours=1))
    assert [record.state for record in rate(report)] == ["received"]
    NodeSession.objects.filter(pk=listened.pk).update(last_seen_at=now)
    assert [record.billed_running_ms for record in rate()] == [MINUTE_MS]
    assert not MeteringFault.objects.exists()


def test_it_does_not_wait_for_ever_for_a_heartbeat(rate, meter, listened, now):
    NodeSession.objects.filter(pk=listened.pk).update(last_seen_at=now - timedelta(hours=1))
    rate(meter.report())
    UsageRecord.objects.update(received_at=now - timedelta(minutes=2))
    [record] = rate()
    assert record.state == "posted"
    assert record.billed_running_ms < MINUTE_MS


def test_it_pays_for_nothing_that_has_not_happened_yet(rate, meter, hold, now):
    meter.clock_ms = ms(now)
    hour_ms = 60 * MINUTE_MS
    [record] = rate(meter.report(ended_at_ms=ms(now) + hour_ms, running_ms=hour_ms, cpu_ms=0))
    UsageRecord.objects.update(received_at=now - timedelta(minutes=2))
    [record] = rate()
    assert record.state == "posted"
    assert record.billed_running_ms == 0


def test_it_lets_no_agreement_hold_up_the_others(rate, meter, monkeypatch, caplog):
    monkeypatch.setattr(
        "apps.billing.metering.rating._post", Mock(side_effect=ValueError("year 146140482 is out of range"))
    )
    assert [record.state for record in rate(meter.report())] == ["received"]
    assert "can't be rated" in caplog.text


def test_it_bills_a_second_claim_of_the_same_time_once(rate, meter):
    first = meter.report()
    meter.clock_ms = first.started_at_ms
    records = rate(first, meter.report())
    assert [record.billed_running_ms for record in records] == [MINUTE_MS, 0]
    assert "that much time passed" in records[1].reduced_because
    assert MeteringFault.objects.get().kind == MeteringFaultKind.OVERCLAIM


def test_it_bills_no_more_seconds_than_passed(rate, meter):
    [record] = rate(meter.report(running_ms=10 * MINUTE_MS, cpu_ms=0))
    assert (record.billed_running_ms, record.cost_glm) == (MINUTE_MS, START_GLM + Decimal("0.00012"))


def test_it_bills_nothing_from_before_the_lease(rate, meter, agreement):
    meter.clock_ms = ms(agreement.approved_at) - MINUTE_MS // 2
    [record] = rate(meter.report())
    assert record.billed_running_ms == MINUTE_MS // 2
    assert "the lease covers 30.000 s" in record.reduced_because


def test_it_bills_nothing_after_the_lease(rate, meter, hold, agreement):
    Hold.objects.filter(pk=hold.pk).update(deadline_at=agreement.approved_at + timedelta(seconds=90))
    records = rate(meter.report(), meter.report())
    assert [each.billed_running_ms for each in records] == [MINUTE_MS, 30_000]
    assert records[1].reduced_because == "60.000 s reported, the lease covers 30.000 s"
    assert not MeteringFault.objects.exists(), "it takes its time to stop"


def test_it_tells_of_what_goes_on_long_after_the_lease(rate, meter, hold, agreement):
    Hold.objects.filter(pk=hold.pk).update(deadline_at=agreement.approved_at + timedelta(seconds=90))
    records = rate(*(meter.report() for _ in range(12)))
    assert sum(each.billed_running_ms for each in records) == 90_000
    assert MeteringFault.objects.get().sequence == 12, "over ten minutes after its lease"


def test_it_bills_no_time_in_which_the_queen_did_not_hear(rate, meter, listened, agreement):
    heard_until = agreement.approved_at + timedelta(seconds=45)
    NodeSession.objects.filter(pk=listened.pk).update(last_seen_at=heard_until, closed_at=heard_until)
    [record] = rate(meter.report())
    assert record.billed_running_ms == 45_000


def test_it_posts_what_the_hold_has_and_shows_the_rest(rate, meter, hold, node):
    leave_in_hold(hold, Decimal("0.0002"))
    [first, second] = rate(meter.report(), meter.report())
    assert (first.cost_glm, second.cost_glm) == (Decimal("0.0002"), Decimal(0))
    assert balance(payable_account(node)) == Decimal("0.0002") + Decimal("0.9998")
    shown = MeteringFault.objects.filter(kind=MeteringFaultKind.UNFUNDED).order_by("sequence")
    assert shown[0].detail == "cost 0.000226 GLM, 0.0002 GLM were left of its hold"
    assert shown.count() == 2


def test_it_bills_egress_by_the_edge(rate, meter, agreement, now):
    EdgeTraffic.objects.create(agreement=agreement, minute=now, egress_bytes=2**20)
    records = rate(meter.report(egress_bytes=2**21), meter.report(egress_bytes=0))
    assert [record.billed_egress_bytes for record in records] == [2**20, 0]
    EdgeTraffic.objects.create(agreement=agreement, minute=now + timedelta(minutes=1), egress_bytes=2**21)
    assert rate(meter.report())[2].billed_egress_bytes == 2**20


def test_it_waits_while_nothing_is_held(rate, make_agreement, offer, bee_key, now):
    unfunded = make_agreement(offer, bee_key, approved_at=now - timedelta(hours=1))
    [record] = rate(Meter(str(unfunded.pk), bee_key, ms(unfunded.approved_at)).report())
    assert record.state == "received"


def test_it_closes_the_agreement_towards_the_bee(rate, meter, hold, node, agreement):
    rate(meter.report(final=True))
    agreement.move_to(
        AgreementState.TERMINATED, actor=Actor.queen("test"), reason="over", ended_at=timezone.now()
    )
    free_ended_holds()
    [ack] = usage_acks([node.id])[node.id]
    assert (ack.sequence, ack.rated_glm, ack.closed) == (1, START_GLM + MINUTE_GLM, True)
    store_debit_notes(node_id=node.id, notes=[meter.note("0.000226", final=True)])
    assert usage_acks([node.id])[node.id] == []  # it knows


def test_it_takes_late_reports_until_the_agreement_closes(rate, meter, hold, node, agreement):
    first, second, third = (meter.report() for _ in range(3))
    rate(first)
    agreement.move_to(
        AgreementState.TERMINATED, actor=Actor.queen("test"), reason="over", ended_at=timezone.now()
    )
    free_ended_holds()
    assert [record.state for record in rate(second)] == ["posted", "posted"]
    Hold.objects.filter(pk=hold.pk).update(deadline_at=timezone.now() - timedelta(days=2))
    free_ended_holds()
    assert len(rate(third)) == 2
    assert MeteringFault.objects.get().kind == MeteringFaultKind.LATE


def test_it_pays_no_minute_twice_when_the_clock_of_a_bee_steps_back_and_forth(rate, meter, agreement):
    began_ms = meter.clock_ms
    steps_ms = [0, -30_000, 90_000, -MINUTE_MS]
    reports = []
    for step_ms in steps_ms:
        meter.clock_ms += step_ms
        reports.append(meter.report())
    billed = [record.billed_running_ms for record in rate(*reports)]
    assert billed == [MINUTE_MS, 30_000, MINUTE_MS, 0]
    last_ms = max(report.ended_at_ms for report in reports)
    assert sum(billed) <= last_ms - began_ms


def test_it_pays_honest_minutes_after_the_clock_of_a_bee_stepped_on_by_an_hour_and_was_set_right(
    rate, meter, agreement
):
    began_ms = meter.clock_ms
    ahead = meter.report(ended_at_ms=began_ms + 61 * MINUTE_MS)
    meter.clock_ms = began_ms + MINUTE_MS
    store_usage(node_id=agreement.node_id, reports=[ahead, *(meter.report() for _ in range(3))])
    for sequence in range(1, 5):
        received_at = agreement.approved_at + timedelta(minutes=sequence)
        UsageRecord.objects.filter(sequence=sequence).update(received_at=received_at)
    assert [record.billed_running_ms for record in rate()] == [MINUTE_MS] * 4


def test_it_writes_one_transfer_a_report(rate, meter, agreement):
    rate(meter.report(), meter.report())
    keys = Transfer.objects.filter(kind="usage").order_by("id").values_list("key", flat=True)
    assert list(keys) == [f"usage:{agreement.id}:1", f"usage:{agreement.id}:2"]


def leave_in_hold(hold, amount_glm):
    """Post all but `amount_glm` of the hold, as earlier usage would have."""
    transfer(
        key="earlier",
        kind=TransferKind.USAGE,
        debit=hold.budget.held,
        credit=payable_account(hold.agreement.node),
        amount_glm=hold.amount - amount_glm,
    )
    Hold.objects.filter(pk=hold.pk).update(posted=hold.amount - amount_glm)
