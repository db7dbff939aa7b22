"""Credit: how far below zero a budget may go, given by an operator."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from apps.billing.budgets.models import Budget
from apps.billing.ledger.accounts import Account
from apps.billing.ledger.posting import exact
from apps.money import ZERO, plain
from apps.teams.audit import Actor, AuditLine


@transaction.atomic
def set_credit_limit(budget: Budget, limit_glm: Decimal, *, actor: Actor, reason: str) -> Budget:
    """0 takes it away. What is spent on credit is due with the invoice of its period.

    Raises ValueError for what is no amount, and for less than is used: what is held or spent on credit can't
    be called back, only paid.
    """
    if limit_glm:
        exact(limit_glm)
    account = Account.objects.select_for_update(no_key=True).get(pk=budget.available_id)
    used_glm = max(-(account.guarded_balance or ZERO), ZERO)
    if limit_glm < used_glm:
        raise ValueError(
            f"{plain(limit_glm)} GLM: {budget} has {plain(used_glm)} GLM held or spent on credit;"
            " name at least that, or have it paid in first"
        )
    before = account.credit_limit_glm
    if before != limit_glm:
        Account.objects.filter(pk=account.pk).update(credit_limit_glm=limit_glm)
        told = f"credit limit {plain(limit_glm)} GLM, it was {plain(before)} GLM: {reason}"
        AuditLine.write(budget, before="", after="credit", actor=actor, reason=told)
    budget.available.refresh_from_db()
    return budget
