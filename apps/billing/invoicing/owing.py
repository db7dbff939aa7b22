"""What of an invoice was used on credit and is not paid yet.

What a team pays in pays off its oldest usage first. So of an invoice only that much is open as is still owed
beyond all that was used after it: the reasoning of `providers/covering.py`, for teams.
"""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Q, Sum

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
    balance_glm, lent_glm = _stands_at(invoice.team)
    return -balance_glm - (_used_after(invoice) if lent_glm or balance_glm < 0 else ZERO)


def _stands_at(team: Team) -> tuple[Decimal, Decimal]:
    """What it has on all its budgets, what is held included, and how much it may owe on them."""
    sums = Budget.objects.filter(team=team).aggregate(
        free=Sum("available__guarded_balance"),
        kept=Sum("held__guarded_balance"),
        lent=Sum("available__credit_limit_glm"),
    )
    return (sums["free"] or ZERO) + (sums["kept"] or ZERO), sums["lent"] or ZERO


def _used_after(invoice: Invoice) -> Decimal:
    """Posted, and on a later invoice or on none yet."""
    later = UsageRecord.objects.filter(agreement__team=invoice.team_id, state=UsageState.POSTED)
    after = later.filter(Q(invoice=None) | Q(invoice__issued_at__gt=invoice.issued_at))
    return after.aggregate(all=Sum("cost_glm"))["all"] or ZERO
