"""The page of alerts: how each budget stands, and at which levels the team is told."""

from __future__ import annotations

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from apps.billing.alerts.levels import AlertRefused, add_level, remove_level
from apps.billing.alerts.models import AlertKind, AlertLevel
from apps.billing.alerts.standing import readings_of
from apps.billing.budgets.models import Budget
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.models import Role, Team
from apps.teams.reach import owned_teams


class LevelForm(forms.Form):
    kind = forms.ChoiceField(
        choices=[(AlertKind.USED, "percent used reach"), (AlertKind.RUNWAY, "hours left fall below")],
        label="When",
    )
    level = forms.IntegerField(min_value=1, max_value=2**31 - 1, label="Percent or hours")


@login_required
def alerts(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, choose_team(request, slug))


@login_required
@require_POST
def add_alert(request: HttpRequest, slug: str, budget_id: int) -> HttpResponse:
    team = get_object_or_404(owned_teams(request), slug=slug)
    budget = get_object_or_404(team.budgets, pk=budget_id)
    form = LevelForm(request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            add_level(budget=budget, kind=said["kind"], level=said["level"], actor=_actor(request))
            return redirect("billing:alerts", slug=slug)
        except AlertRefused as error:
            form.add_error("level", str(error))
    return _page(request, team, form=form, asked=budget)


@login_required
@require_POST
def remove_alert(request: HttpRequest, pk: int) -> HttpResponse:
    rows = AlertLevel.objects.select_related("budget__team")
    level = get_object_or_404(rows, pk=pk, budget__team__in=owned_teams(request))
    remove_level(level, actor=_actor(request))
    return redirect("billing:alerts", slug=level.budget.team.slug)


def _page(
    request: HttpRequest, team: Team, *, form: LevelForm | None = None, asked: Budget | None = None
) -> HttpResponse:
    """With a form that was refused, beside the budget it was for."""
    mine = membership(request, team)
    budgets = team.budgets.order_by("id")
    readings = readings_of(budgets)
    context = {
        "team": team,
        "mine": mine,
        "is_owner": mine.role == Role.OWNER,
        "sheets": [
            (
                each,
                readings[each.pk].standing,
                each.alert_levels.all(),
                form if each == asked else LevelForm(),
            )
            for each in budgets.prefetch_related("alert_levels")
        ],
    }
    return render(request, "billing/alerts.html", context, status=200 if form is None else 422)


def _actor(request: HttpRequest) -> Actor:
    return Actor.user(request.user)  # type: ignore[arg-type]  # nobody anonymous comes this far
