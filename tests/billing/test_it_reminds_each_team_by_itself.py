"""What is due is asked for team by team: one that can't be asked, or freed, holds up no other."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.billing.invoicing import reminding
from apps.billing.invoicing.paying import mark_overdue
from apps.billing.invoicing.reminding import lift_paid, remind_due
from apps.billing.invoicing.suspending import suspend
from apps.billing.models import BillingDetails, Invoice, InvoiceState
from apps.teams.audit import Actor
from apps.teams.models import Notice, Team

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")


def due(team: Team, now: Any, **fields: Any) -> Invoice:
    """Over 1 GLM of taxes, since yesterday."""
    return Invoice.objects.create(
        number=f"HIVE-{team.slug}",
        team=team,
        period_start=now - timedelta(days=30),
        period_end=now,
        tax_glm=Decimal(1),
        total_glm=Decimal(1),
        lines=[],
        deadline_at=now - timedelta(days=1),
        **fields,
    )


@pytest.fixture(params=["the older one", "the newer one"])
def bad(request, team, other_team) -> Team:
    """Whichever is looked at first."""
    return team if request.param == "the older one" else other_team


def fails_for(bad: Team, name: str, monkeypatch, of: Any = reminding) -> None:
    """What the step asks for breaks for one team alone, after some of it is written."""
    real = getattr(of, name)

    def breaks(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        if bad in (*args, *kwargs.values()):
            raise RuntimeError("the disk is full")
        return result

    monkeypatch.setattr(of, name, breaks)


def test_it_reminds_the_others(bad, team, other_team, now, monkeypatch, caplog):
    for each in (team, other_team):
        due(each, now, state=InvoiceState.OVERDUE)
    fails_for(bad, "notify", monkeypatch)
    with caplog.at_level(logging.ERROR, "hive.billing"):
        assert remind_due(now=now) == 1
    failed = Invoice.objects.get(team=bad)
    assert (failed.reminders, Notice.objects.filter(team=bad).count()) == (0, 0), "nothing of it is kept"
    assert f"of invoice {failed.pk} nobody can be reminded" in caplog.text
    [reminded] = Invoice.objects.exclude(team=bad)
    assert (reminded.reminders, Notice.objects.get().team) == (1, reminded.team)
    monkeypatch.undo()
    assert remind_due(now=now) == 1, "it is tried again, and the other not twice"
    assert Notice.objects.count() == 2


def test_it_suspends_the_others(bad, team, other_team, now, monkeypatch):
    for each in (team, other_team):
        due(each, now, state=InvoiceState.OVERDUE, reminders=len(reminding.LEVELS))
    fails_for(bad, "suspend", monkeypatch)
    assert remind_due(now=now) == 1
    [suspended] = BillingDetails.objects.exclude(suspended_at=None)
    assert suspended.team != bad


def test_it_lifts_the_others(bad, team, other_team, monkeypatch):
    for each in (team, other_team):
        suspend(each, actor=CLERK, because="it did not pay", until_paid=True)
    fails_for(bad, "lift", monkeypatch)
    assert lift_paid() == 1
    assert BillingDetails.objects.exclude(team=bad).get().suspended_at is None


def test_it_marks_the_others_overdue(bad, team, other_team, now, monkeypatch):
    for each in (team, other_team):
        due(each, now)
    move = Invoice.move_to

    def breaks(invoice: Invoice, *args: Any, **kwargs: Any) -> Any:
        if invoice.team == bad:
            raise RuntimeError("the disk is full")
        return move(invoice, *args, **kwargs)

    monkeypatch.setattr(Invoice, "move_to", breaks)
    assert mark_overdue() == 1
    assert Invoice.objects.get(team=bad).state == InvoiceState.ISSUED
