"""Choosing what becomes of what runs on a budget when its money ends."""

from __future__ import annotations

from django.db import transaction

from apps.billing.budgets.at_end import AtEnd
from apps.billing.budgets.models import Budget
from apps.teams.audit import Actor, AuditLine


@transaction.atomic
def choose_end(budget: Budget, at_end: str, *, actor: Actor) -> Budget:
    """For all that says nothing else itself. Raises ValueError for a word that is not known."""
    if at_end not in AtEnd.values:
        raise ValueError(f'at_end: expected one of {", ".join(AtEnd.values)}, got "{at_end}"')
    before = Budget.objects.select_for_update(of=("self",)).get(pk=budget.pk).at_end
    if before != at_end:
        Budget.objects.filter(pk=budget.pk).update(at_end=at_end)
        reason = f"when its money ends: {at_end}; it was {before}"
        AuditLine.write(budget, before=before, after=at_end, actor=actor, reason=reason)
    budget.at_end = at_end
    return budget
