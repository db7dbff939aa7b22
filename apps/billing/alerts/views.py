"""The page of alerts: how each budget stands, and at which levels the team is told."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from apps.billing.alerts.levels import AlertRefused, add_level, remove_level
from apps.billing.alerts.models import AlertKind, AlertLevel
from apps.billing.alerts.standing import readings_of
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.models import Role
from apps.teams.reach import owned_teams


class LevelForm(forms.Form):
    kind = forms.ChoiceField(choices=AlertKind.choices, label="When")
    level = forms.IntegerField(min_value=1, max_value=2**31 - 1, label="Percent or hours")


@login_required
def alerts(request: HttpRequest, slug: str) -> HttpResponse:
    team = choose_team(request, slug)
    mine = membership(request, team)
    budgets = team.budgets.order_by("id")
    readings = readings_of(budgets)
    context = {
        "team": team,
        "mine": mine,
        "is_owner": mine.role == Role.OWNER,
        "sheets": [
            (each, readings[each.pk].standing, each.alert_levels.all())
            for each in budgets.prefetch_related("alert_levels")
        ],
    }
    return render(request, "billing/alerts.html", context)


@login_required
@require_POST
def add_alert(request: HttpRequest, slug: str, budget_id: int) -> HttpResponse:
    team = get_object_or_404(owned_teams(request), slug=slug)
    budget = get_object_or_404(team.budgets, pk=budget_id)
    form = LevelForm(request.POST)
    if not form.is_valid():
        name, told = next(iter(form.errors.items()))
        messages.error(request, f"{form.fields[name].label}: {told[0]}")
        return redirect("billing:alerts", slug=slug)
    said = form.cleaned_data
    try:
        add_level(budget=budget, kind=said["kind"], level=said["level"], actor=_actor(request))
    except AlertRefused as error:
        messages.error(request, str(error))
    return redirect("billing:alerts", slug=slug)


@login_required
@require_POST
def remove_alert(request: HttpRequest, pk: int) -> HttpResponse:
    rows = AlertLevel.objects.select_related("budget__team")
    level = get_object_or_404(rows, pk=pk, budget__team__in=owned_teams(request))
    remove_level(level, actor=_actor(request))
    return redirect("billing:alerts", slug=level.budget.team.slug)


def _actor(request: HttpRequest) -> Actor:
    return Actor.user(request.user)  # type: ignore[arg-type]  # nobody anonymous comes this far
