"""What of an invoice was used on credit and is not paid yet.

What a team pays in pays off its oldest usage first. So of an invoice only that much is open as is still owed
beyond all that was used after it: the reasoning of `providers/covering.py`, for teams.
"""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from apps.billing.budgets.models import Budget
from apps.billing.invoicing.models import Invoice
from apps.billing.metering.models import UsageRecord, UsageState
from apps.money import ZERO
from apps.teams.models import Team


def open_credit_glm(invoice: Invoice) -> Decimal:
    """Of `credit_glm`, what is still to be paid."""
    return min(invoice.credit_glm, max(beyond_later_usage_glm(invoice), ZERO))


def beyond_later_usage_glm(invoice: Invoice) -> Decimal:
    """What the team owes for this invoice's usage and for what came before; below zero it has money left.

    A team without credit owes nothing, so nothing is added up for it.
    """
    balance_glm, lent_glm = (
        Budget.objects.filter(team=invoice.team)
        .aggregate(balance=Coalesce(_BALANCE, ZERO), lent=Coalesce(Sum("available__credit_limit_glm"), ZERO))
        .values()
    )
    return _owed_for(invoice) if lent_glm or balance_glm < 0 else -balance_glm


_BALANCE = Sum(F("available__guarded_balance") + F("held__guarded_balance"))
"""On all budgets of a team, what is held included."""


def _owed_for(invoice: Invoice) -> Decimal:
    """Both sums in one statement: what is used between two would be taken for paid."""
    budgets = Budget.objects.filter(team=OuterRef("pk")).order_by().values("team")
    after = _used_after(invoice).order_by().values("agreement__team")
    balance = Subquery(budgets.annotate(all=_BALANCE).values("all"))
    used = Subquery(after.annotate(all=Sum("cost_glm")).values("all"))
    team = Team.objects.filter(pk=invoice.team_id)
    return team.values_list(-Coalesce(balance, ZERO) - Coalesce(used, ZERO), flat=True).get()


def _used_after(invoice: Invoice) -> QuerySet[UsageRecord]:
    """Posted, and on a later invoice or on none yet."""
    later = UsageRecord.objects.filter(agreement__team=invoice.team_id, state=UsageState.POSTED)
    return later.filter(Q(invoice=None) | Q(invoice__issued_at__gt=invoice.issued_at))
