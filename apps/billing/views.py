"""Pages of money: what a team may spend, what it spent, and its invoices."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from apps.billing.budgets.ending import choose_end
from apps.billing.budgets.runway import runway_in, with_rates
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.forms import FORMS, as_file
from apps.billing.invoicing.paper import due_in_words
from apps.billing.invoicing.paying_in import payment_of
from apps.billing.invoicing.sums import sums_of
from apps.billing.ledger.movements import movements_of
from apps.billing.models import Budget, CreditNote, Invoice
from apps.billing.treasury.signers import treasury_address
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership, remember_team
from apps.teams.models import Team
from apps.teams.reach import owned_teams, reachable_teams


@login_required
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, choose_team(request, slug))


@login_required
def invoice(request: HttpRequest, pk: str) -> HttpResponse:
    found = get_object_or_404(
        Invoice.objects.select_related("team"), pk=pk, team__in=reachable_teams(request)
    )
    context = {
        "invoice": found,
        "team": remember_team(request, found.team),
        "credit_notes": found.credit_notes.all(),
        "forms": FORMS,
        "payment": payment_of(found),
        "sums": sums_of(found),
        "due": due_in_words(found),
    }
    return render(request, "billing/invoice.html", context)


@login_required
def invoice_file(request: HttpRequest, pk: str, form: str) -> HttpResponse:
    """`form` is pdf, csv or json."""
    return _file(get_object_or_404(Invoice, pk=pk, team__in=reachable_teams(request)), form)


@login_required
def credit_note_file(request: HttpRequest, pk: str, form: str) -> HttpResponse:
    reachable = CreditNote.objects.filter(invoice__team__in=reachable_teams(request))
    return _file(get_object_or_404(reachable.select_related("invoice__team"), pk=pk), form)


@login_required
@require_POST
def draw_up(request: HttpRequest, slug: str) -> HttpResponse:
    """An invoice of everything rated since the last one."""
    team = choose_team(request, slug, to_change=True)
    try:
        drawn_up = draw_up_invoice(
            team=team, actor=Actor.user(membership(request, team).user), until=timezone.now()
        )
    except ValueError as error:
        messages.warning(request, f"No invoice was drawn up: {error}")
        return redirect("billing:overview", slug=slug)
    return redirect("billing:invoice", pk=drawn_up.pk)


@login_required
@require_POST
def at_end(request: HttpRequest, pk: int) -> HttpResponse:
    """An owner's choice: what becomes of what runs when the budget's money ends."""
    budget = get_object_or_404(Budget.objects.select_related("team"), pk=pk, team__in=owned_teams(request))
    actor = Actor.user(membership(request, budget.team).user)
    try:
        choose_end(budget, request.POST.get("at_end", ""), actor=actor)
        messages.success(request, f"When its money ends: {budget.get_at_end_display().lower()}.")
    except ValueError as error:
        messages.error(request, str(error))
    return redirect("billing:overview", slug=budget.team.slug)


def _file(paper: Invoice | CreditNote, form: str) -> HttpResponse:
    if form not in FORMS:
        raise Http404(f"there is no {form} of it: pdf, csv or json")
    return as_file(paper, form)


def _page(request: HttpRequest, team: Team) -> HttpResponse:
    mine = membership(request, team)
    found = team.budgets.select_related("available", "held").prefetch_related("wallets").order_by("id")
    budgets = list(with_rates(found))
    context: dict[str, Any] = {
        "team": team,
        "mine": mine,
        "budgets": [(budget, runway_in(budget)) for budget in budgets],
        "has_credit": any(budget.credit_limit_glm for budget in budgets),
        "invoices": team.invoices.all()[:50],
        "movements": movements_of(budgets, limit=15),
        "deposit_address": treasury_address(),
        "token_address": settings.HIVE_GLM_TOKEN,
        "chain_id": settings.HIVE_CHAIN_ID,
    }
    return render(request, "billing/overview.html", context)
