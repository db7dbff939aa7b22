import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from apps.billing.invoicing.drawing import NothingToInvoice, draw_up_invoice
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Invoice, InvoiceSeries, UsageRecord
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team
from tests.cast import posted_usage

CLERK = Actor("user", "clerk")


@pytest.fixture
def used(meter, node):
    """Two reports, rated at 0.000352 GLM in all."""
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    return meter


@pytest.mark.django_db
def test_it_takes_a_snapshot_of_what_was_posted(used, team, agreement, budget, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    [line] = invoice.lines
    assert invoice.number == f"HIVE-{now:%Y}-000001"
    assert invoice.total_glm == budget.spent_glm == Decimal("0.000352")
    assert line.pop("evidence_hash").startswith("0x")  # what it stands for: test_it_proves_invoices.py
    assert line == {
        "agreement": str(agreement.id),
        "reference": agreement.demand.reference,
        "deployment": "",
        "service": "",
        "replica": "",
        "what": "hive/hello:1",
        "runtime": "process",
        "node": agreement.node_id,
        "node_name": agreement.node.name,
        "cpu_threads": "0.5",
        "mem_gib": "0.25",
        "running_s": "120",
        "cpu_s": "12",
        "egress_bytes": 0,
        "price": {
            "start_glm": "0.0001",
            "cpu_second_glm": "0.000001",
            "second_glm": "0.000002",
            "egress_gib_glm": "0",
        },
        "cost_glm": "0.000352",
        "first_sequence": 1,
        "last_sequence": 2,
        "chain_head": used.head,
    }


@pytest.mark.django_db
def test_it_writes_down_who_drew_it_up(used, team, now):
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    line = AuditLine.objects.get(noun="invoice", before="")
    assert (line.team, line.label, line.after, line.actor) == (team, invoice.number, "drawn up", "user:clerk")
    assert line.reason.startswith("0.000352 GLM from ")


@pytest.mark.django_db
def test_it_invoices_each_report_once(used, team, node, budget, now):
    first = draw_up_invoice(team=team, actor=CLERK, until=now)
    late = used.report()  # of the first invoice's period, rated after it
    store_usage(node_id=node.id, reports=[late])
    rate_usage()
    second = draw_up_invoice(team=team, actor=CLERK, until=now + timedelta(seconds=1))
    assert second.period_start == first.period_end
    assert second.lines[0]["first_sequence"] == 3
    assert first.total_glm + second.total_glm == budget.spent_glm
    assert not UsageRecord.objects.filter(invoice=None).exists()


@pytest.mark.django_db
def test_it_leaves_other_teams_usage_alone(used, other_team):
    with pytest.raises(NothingToInvoice, match="nothing was used yet"):
        draw_up_invoice(team=other_team, actor=CLERK, until=timezone.now())
    assert UsageRecord.objects.filter(invoice=None).count() == 2


@pytest.mark.django_db
def test_it_takes_no_number_for_an_invoice_over_nothing(used, team, now):
    first = draw_up_invoice(team=team, actor=CLERK, until=now)
    with pytest.raises(NothingToInvoice, match=f"nothing was used since {first.number}"):
        draw_up_invoice(team=team, actor=CLERK, until=now + timedelta(seconds=1))
    assert InvoiceSeries.objects.get().last_number == 1


@pytest.mark.django_db
def test_it_refuses_a_period_that_ends_before_it_starts(team, now):
    with pytest.raises(ValueError, match="expected a time after"):
        draw_up_invoice(team=team, actor=CLERK, since=now, until=now)
    assert not InvoiceSeries.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_numbers_without_gaps_whoever_draws_up_at_once(make_agreement, offer, bee_key):
    teams = [Team.objects.create(slug=f"t{number}", name="busy") for number in range(4)]
    until = timezone.now() - timedelta(seconds=9)
    Team.objects.update(created_at=until - timedelta(days=1))
    for team in teams:
        team.refresh_from_db()
        agreement = make_agreement(offer, bee_key, team=team)
        for second in range(0, 6, 2):
            ended_at = until + timedelta(seconds=second)
            posted_usage(agreement, sequence=second + 1, ended_at_ms=int(ended_at.timestamp() * 1000))
    threads = [threading.Thread(target=_draw_up_some, args=(team, until)) for team in teams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(int(number[-6:]) for number in Invoice.objects.values_list("number", flat=True))
    assert numbers == list(range(1, 13))


def _draw_up_some(team, until):
    try:
        for number in range(6):
            at = until + timedelta(seconds=number)
            start = at if number % 2 else None  # every second one is refused, and takes no number
            try:
                draw_up_invoice(team=team, actor=CLERK, since=start, until=at)
            except ValueError:
                continue
    finally:
        connection.close()
