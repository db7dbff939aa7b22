"""Withdrawals on the page of wallets: asked for by a member, confirmed by an owner, or taken back."""

from __future__ import annotations

from decimal import Decimal

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.billing.budgets.opening import open_budget
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.models import Withdrawal
from apps.billing.wallets.withdrawing import cancel_withdrawal, confirm_withdrawal, request_withdrawal
from apps.money import plain
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.reach import owned_teams, reachable_teams
from apps.teams.states import StateError

REFUSALS = (ValueError, InsufficientFunds, StateError)


class WantedForm(forms.Form):
    recipient = forms.CharField(max_length=42)
    amount_glm = forms.DecimalField(max_digits=38, decimal_places=18, min_value=Decimal(0))


@login_required
@require_POST
def withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for it."""
    team = choose_team(request, slug, to_change=True)
    form = WantedForm(request.POST)
    if not form.is_valid():
        name, told = next(iter(form.errors.items()))
        messages.error(request, f"{name}: {told[0]}")
        return redirect("billing:wallets", slug=slug)
    try:
        asked = request_withdrawal(
            budget=open_budget(team),
            address=form.cleaned_data["recipient"],
            amount_glm=form.cleaned_data["amount_glm"],
            actor=Actor.user(membership(request, team).user),
        )
        messages.info(request, f"{plain(asked.amount)} GLM are asked for: an owner has a day to confirm it.")
    except REFUSALS as error:
        messages.error(request, str(error))
    return redirect("billing:wallets", slug=slug)


@login_required
@require_POST
def confirm(request: HttpRequest, pk: str) -> HttpResponse:
    """An owner's word: it is paid."""
    asked = get_object_or_404(_all(), pk=pk, budget__team__in=owned_teams(request))
    actor = Actor.user(membership(request, asked.budget.team).user)
    try:
        messages.success(request, _told(confirm_withdrawal(asked, actor=actor)))
    except REFUSALS as error:
        messages.error(request, str(error))
    return redirect("billing:wallets", slug=asked.budget.team.slug)


@login_required
@require_POST
def cancel(request: HttpRequest, pk: str) -> HttpResponse:
    asked = get_object_or_404(_all(), pk=pk, budget__team__in=reachable_teams(request, to_change=True))
    actor = Actor.user(membership(request, asked.budget.team).user)
    try:
        cancel_withdrawal(asked, actor=actor)
    except StateError as error:
        messages.error(request, str(error))
    return redirect("billing:wallets", slug=asked.budget.team.slug)


def _told(confirmed: Withdrawal) -> str:
    amount = f"{plain(confirmed.amount)} GLM"
    if confirmed.waits_for_operators:
        return (
            f"{amount} have left the budget: operators of the Hive have to approve it before they are sent."
        )
    return f"{amount} are on their way to {confirmed.recipient}."


def _all() -> QuerySet[Withdrawal]:
    return Withdrawal.objects.select_related(
        "budget__team", "budget__available", "proof", "payment__transaction"
    )
