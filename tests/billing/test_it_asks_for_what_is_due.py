"""Months are invoiced by themselves; what is due is asked for; who does not pay is suspended until then."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from apps.billing import tasks
from apps.billing.budgets.holding import extend_hold, place_hold
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.monthly import draw_up_months
from apps.billing.invoicing.paying import mark_overdue
from apps.billing.invoicing.reminding import LEVELS, lift_paid, remind_due
from apps.billing.invoicing.suspending import TeamSuspended, lift, suspend
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.models import AccountKind, BillingDetails, Hold, Invoice, InvoiceState
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Member, Notice, Team
from apps.teams.notices.sending import deliver_notices
from tests.cast import posted_usage

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")
MAY = datetime(2026, 5, 1, tzinfo=UTC)


def used_at(agreement, at: datetime, sequence: int) -> None:
    posted_usage(agreement, sequence=sequence, ended_at_ms=int(at.timestamp() * 1000))


@pytest.fixture
def april(agreement, team):
    """Usage on the last second of April, and on the first of May."""
    Team.objects.update(created_at=MAY - timedelta(days=40))
    used_at(agreement, MAY, 1)
    used_at(agreement, MAY + timedelta(seconds=2), 2)


def test_it_invoices_each_month_once(april, team):
    assert draw_up_months(now=MAY + timedelta(hours=1)) == 1
    invoice = Invoice.objects.get()
    assert (invoice.period_end, invoice.total_glm) == (MAY, Decimal("0.1"))
    assert draw_up_months(now=MAY + timedelta(days=20)) == 0
    assert draw_up_months(now=MAY + timedelta(days=31)) == 1
    invoice = Invoice.objects.latest("period_end")
    assert (invoice.period_start, invoice.lines[0]["first_sequence"]) == (MAY, 2)


def test_it_puts_late_reports_on_the_next_invoice(april, team, agreement):
    draw_up_months(now=MAY + timedelta(hours=1))
    used_at(agreement, MAY - timedelta(days=1), 3)
    assert draw_up_months(now=MAY + timedelta(hours=2)) == 0
    assert draw_up_months(now=MAY + timedelta(days=31)) == 1
    invoice = Invoice.objects.latest("period_end")
    assert invoice.lines[0]["last_sequence"] == 3


def test_it_invoices_usage_dated_ahead_in_the_month_it_came_in(april, team, agreement):
    draw_up_months(now=MAY + timedelta(days=31))
    posted_usage(agreement, sequence=3, ended_at_ms=4_102_444_800_000)
    now = timezone.now()
    assert draw_up_months(now=now) == 0
    assert draw_up_months(now=now + timedelta(days=31)) == 1
    assert Invoice.objects.latest("period_end").lines[0]["first_sequence"] == 3


def test_it_leaves_teams_alone_that_want_invoices_on_demand(april, team):
    BillingDetails.objects.create(team=team, is_monthly=False)
    assert draw_up_months(now=MAY + timedelta(hours=1)) == 0


@pytest.fixture
def overdue(agreement, team, budget, owner, now) -> Invoice:
    """Taxes that the budget can't pay, since yesterday."""
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    transfer(
        key="test:spent",
        kind="counter",
        debit=budget.available,
        credit=house_account(AccountKind.FEES),
        amount_glm=budget.available_glm,
    )
    used_at(agreement, now - timedelta(minutes=5), 1)
    Team.objects.update(created_at=now - timedelta(days=40))
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    Invoice.objects.update(deadline_at=now - timedelta(days=1))
    assert mark_overdue() == 1
    invoice.refresh_from_db()
    return invoice


def test_it_reminds_at_levels_and_then_suspends(overdue, team, owner, now, mailoutbox):
    Member.objects.filter(user=owner).update(wants_mails=False)  # who owes is told all the same
    for days in range(4):
        assert remind_due(now=now + timedelta(days=7 * days, minutes=1)) == 1
        assert remind_due(now=now + timedelta(days=7 * days, minutes=2)) == 0, "each step once"
        deliver_notices()
    assert [mail.subject for mail in mailoutbox] == [
        *(f"{level}: invoice {overdue}" for level in LEVELS),
        "The Bakery is suspended",
    ]
    assert {address for mail in mailoutbox for address in mail.to} == {owner.email}
    assert "0.019 GLM were due" in mailoutbox[0].body
    assert "the team is suspended" in mailoutbox[2].body
    details = BillingDetails.objects.get()
    assert (
        details.suspended_because == f"invoice {overdue} over 0.019 GLM was due on {overdue.due_at:%Y-%m-%d}"
    )
    assert AuditLine.objects.filter(noun="billingdetails", after="suspended", team=team).count() == 1


def test_it_writes_to_the_address_the_team_gave(overdue, now, mailoutbox):
    BillingDetails.objects.update(email="books@bakery.example")
    remind_due(now=now + timedelta(minutes=1))
    deliver_notices()
    assert mailoutbox[0].to == ["books@bakery.example"]


def test_it_writes_to_no_account_that_is_closed(overdue, team, owner, now, mailoutbox):
    get_user_model().objects.filter(pk=owner.pk).update(is_active=False)
    remind_due(now=now + timedelta(minutes=1))
    deliver_notices()
    assert mailoutbox == []
    assert "told nobody: no address is known" in AuditLine.objects.filter(after="reminder 1").get().reason


def test_it_tells_programs_what_is_due(overdue, team, now):
    remind_due(now=now + timedelta(minutes=1))
    told = Notice.objects.get()
    assert (told.team, told.kind) == (team, "invoice.overdue")
    assert told.data["invoice"] == overdue.number
    assert (told.data["due_glm"], told.data["reminder"]) == ("0.019", 1)


def test_it_refuses_new_holds_and_renewals_of_a_suspended_team(team, budget, now):
    held = place_hold(budget=budget, reference="a", amount_glm=Decimal(1), until=now + timedelta(hours=1))
    suspend(team, actor=CLERK, because="invoice 7 was due")
    with pytest.raises(TeamSuspended, match="the team is suspended: invoice 7 was due"):
        place_hold(budget=budget, reference="b", amount_glm=Decimal(1), until=now + timedelta(hours=1))
    with pytest.raises(TeamSuspended):
        extend_hold(held, amount_glm=Decimal(0), until=now + timedelta(hours=2))
    assert not Hold.objects.filter(reference="b").exists()
    lift(team, actor=CLERK, reason="paid")
    extend_hold(held, amount_glm=Decimal(1), until=now + timedelta(hours=2))
    assert held.amount == 2


def test_it_lifts_a_suspension_as_soon_as_all_is_paid(overdue, team, budget, fund):
    suspend(team, actor=CLERK, because="it did not pay", until_paid=True)
    assert lift_paid() == 0
    fund(budget, "1")
    tasks.collect()
    overdue.refresh_from_db()
    assert (overdue.state, BillingDetails.objects.get().suspended_at) == (InvoiceState.PAID, None)


@pytest.mark.parametrize("owed_before", [False, True])
def test_it_leaves_a_suspension_by_hand_to_who_made_it(team, owed_before):
    if owed_before:
        suspend(team, actor=CLERK, because="it did not pay", until_paid=True)
    assert suspend(team, actor=CLERK, because="fraud")
    assert not suspend(team, actor=CLERK, because="it did not pay", until_paid=True)
    assert lift_paid() == 0
    assert BillingDetails.objects.get().suspended_because == "fraud"
    lift(team, actor=CLERK, reason="it was none")
    assert BillingDetails.objects.get().suspended_at is None


def test_it_tells_a_suspended_team_why(team, owner, client):
    client.force_login(owner)
    page = reverse("billing:overview", args=[team.slug])
    assert "is suspended" not in client.get(page).content.decode()
    suspend(team, actor=CLERK, because="invoice 7 was due", until_paid=True)
    told = client.get(page).content.decode()
    assert "invoice 7 was due" in told
    assert "until it is paid" in told
    suspend(team, actor=CLERK, because="fraud")
    assert "until an operator lifts it" in client.get(page).content.decode()
