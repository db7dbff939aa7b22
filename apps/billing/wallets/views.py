"""The page of a team's wallets: which are its own, how one is proven, and what to pay in with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from apps.billing.invoicing.keeping import kept_for_taxes
from apps.billing.models import WalletProof, Withdrawal
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.payment_requests import request_payment
from apps.billing.wallets.proving import ask_for_proof, prove_wallet
from apps.billing.wallets.withdrawing import can_be_withdrawn
from apps.money import ZERO
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.models import Role, Team
from apps.teams.reach import owned_teams


class AmountForm(forms.Form):
    """What is to be paid in; asked by GET, for it changes nothing."""

    amount_glm = forms.DecimalField(max_digits=38, decimal_places=18, min_value=Decimal(0))


@login_required
def wallets(request: HttpRequest, slug: str) -> HttpResponse:
    """`?message=<nonce>` shows the message to sign, `?amount_glm=` a request over so much."""
    team = choose_team(request, slug)
    proof = _open_proof(request, team)
    amount = AmountForm(request.GET) if "amount_glm" in request.GET else AmountForm()
    return render(
        request, "billing/wallets.html", _context(request, team) | _asked(amount) | {"proof": proof}
    )


@login_required
@require_POST
def ask_proof(request: HttpRequest, slug: str) -> HttpResponse:
    """Write the message for an address, and show it to be signed."""
    team = get_object_or_404(owned_teams(request), slug=slug)
    try:
        proof = ask_for_proof(team=team, address=request.POST.get("address", "").strip())
    except ValueError as error:
        messages.error(request, str(error))
        return redirect("billing:wallets", slug=slug)
    return redirect(f"{reverse('billing:wallets', args=[slug])}?message={proof.nonce}")


@login_required
@require_POST
def prove(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the signature. A wrong one leaves the message open: it may be signed again while there is time."""
    team = get_object_or_404(owned_teams(request), slug=slug)
    nonce, signature = request.POST.get("nonce", ""), request.POST.get("signature", "")
    actor = Actor.user(membership(request, team).user)
    try:
        wallet = prove_wallet(team=team, nonce=nonce, signature=signature, actor=actor)
    except ValueError as error:
        messages.error(request, str(error))
        return redirect(f"{reverse('billing:wallets', args=[slug])}?message={nonce}")
    messages.success(request, f"{wallet.address} is proven: GLM sent from it are credited to {team}.")
    return redirect("billing:wallets", slug=slug)


def _context(request: HttpRequest, team: Team) -> dict[str, Any]:
    mine = membership(request, team)
    return {
        "team": team,
        "mine": mine,
        "is_owner": mine.role == Role.OWNER,
        "wallets": team.wallets.prefetch_related("proofs").order_by("id"),
        "treasury": treasury_address(),
        "token": settings.HIVE_GLM_TOKEN,
        "chain_id": settings.HIVE_CHAIN_ID,
        "confirmations": settings.HIVE_CONFIRMATIONS,
        "withdrawals": _withdrawals(team),
        "kept": (kept := kept_for_taxes(team)),
        "own_glm": sum((can_be_withdrawn(each, kept) for each in team.budgets.filter(name="main")), ZERO),
        "least_glm": settings.HIVE_WITHDRAWAL_MIN_GLM,
        "most_glm": settings.HIVE_WITHDRAWAL_LIMIT_PER_DAY_GLM,
    }


def _withdrawals(team: Team) -> QuerySet[Withdrawal]:
    return Withdrawal.objects.filter(budget__team=team).select_related("proof", "payment__transaction")[:20]


def _open_proof(request: HttpRequest, team: Team) -> WalletProof | None:
    """The message that the address names, while it may still be signed; owners alone see it."""
    if not owned_teams(request).filter(pk=team.pk).exists():
        return None
    waiting = team.wallet_proofs.filter(signature="", expires_at__gt=timezone.now())
    return waiting.filter(nonce=request.GET.get("message", "")).first()


def _asked(form: AmountForm) -> dict[str, Any]:
    """What the page shows of a payment request: the request, or why there is none."""
    if not form.is_valid():
        told = next((errors[0] for errors in form.errors.values()), "")
        return {"amount_form": form, "payment_problem": told}
    try:
        return {"amount_form": form, "payment": request_payment(form.cleaned_data["amount_glm"])}
    except ValueError as error:
        return {"amount_form": form, "payment_problem": str(error)}
