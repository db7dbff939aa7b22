"""The page of whom a team's invoices are made out to. Every member may look, owners may change it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from apps.billing.invoicing.addressing import OWN_FIELDS, BillingDetailsForm, change_details
from apps.billing.invoicing.taxing import details_of, rates_of
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.models import Role, Team
from apps.teams.reach import owned_teams


@login_required
def details(request: HttpRequest, slug: str) -> HttpResponse:
    team = choose_team(request, slug)
    return _page(request, team, BillingDetailsForm(instance=details_of(team)))


@login_required
@require_POST
def change(request: HttpRequest, slug: str) -> HttpResponse:
    team = get_object_or_404(owned_teams(request), slug=slug)
    told = {name: request.POST[name] for name in OWN_FIELDS if name in request.POST}
    changed = change_details(team, told, actor=Actor.user(membership(request, team).user))
    if isinstance(changed, BillingDetailsForm):
        return _page(request, team, changed, status=422)
    messages.success(
        request, "Invoices are made out like this from now on; those there are stay as they are."
    )
    return redirect("billing:details", slug=slug)


def _page(request: HttpRequest, team: Team, form: BillingDetailsForm, *, status: int = 200) -> HttpResponse:
    mine, found = membership(request, team), details_of(team)
    context = {
        "team": team,
        "mine": mine,
        "is_owner": mine.role == Role.OWNER,
        "form": form,
        "details": found,
        "rates": rates_of(found),
    }
    return render(request, "billing/details.html", context, status=status)
