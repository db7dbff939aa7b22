"""Opening a budget: its two accounts and itself, once per team and name."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.billing.alerts.levels import set_usual_levels
from apps.billing.budgets.models import Budget
from apps.billing.ledger.accounts import Account, AccountKind
from apps.teams.models import Team


def open_budget(team: Team, name: str = "main") -> Budget:
    """The team's budget of this name, opened if there is none."""
    existing = Budget.objects.filter(team=team, name=name).first()
    return existing or _open(team, name)


def _open(team: Team, name: str) -> Budget:
    try:
        with transaction.atomic():
            available = Account.new(AccountKind.AVAILABLE, team=team)
            held = Account.new(AccountKind.HELD, team=team)
            Account.objects.bulk_create([available, held])
            budget = Budget.objects.create(team=team, name=name, available=available, held=held)
            set_usual_levels(budget)
            return budget
    except IntegrityError:  # somebody else was faster
        return Budget.objects.get(team=team, name=name)
