"""Pages of deployments: list, new (Compose file -> plan -> apply), one deployment, and a console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.billing.budgets.capping import change_cap, counted_now, words_of
from apps.billing.models import AtEnd, CapPeriod
from apps.deployments import applying
from apps.deployments.ends.causes import short_of, whose_room
from apps.deployments.ends.wording import back_when, gone_of, why_short
from apps.deployments.logs import LINES, LogUnavailable, log_of
from apps.deployments.manifest import ManifestError
from apps.deployments.models import Deployment, Plan, Replica, Service
from apps.deployments.planning import draw_up_plan
from apps.deployments.plans.actual import actual_of
from apps.deployments.plans.placing import per_month
from apps.deployments.plans.reckoning import effect_of
from apps.deployments.showing import sheet_of, sheets_of, timeline_of, traffic_of
from apps.money import plain
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership, remember_team
from apps.teams.models import SLUG
from apps.teams.reach import reachable_teams

MAX_REPLICAS = 1000


class PlanForm(forms.Form):
    name = forms.CharField(max_length=40, required=False, validators=[SLUG])
    source = forms.CharField(strip=False, required=False, max_length=256 * 1024, widget=forms.Textarea)
    file_name = forms.CharField(max_length=200, required=False)


class _FromForm(forms.Form):
    from_ = forms.UUIDField()

    def add_prefix(self, field_name: str) -> str:
        """`from` is a word of Python's own."""
        return field_name.rstrip("_")


class CapForm(forms.Form):
    limit_glm = forms.DecimalField(max_digits=28, decimal_places=18, required=False)
    per = forms.ChoiceField(choices=CapPeriod.choices)
    at_end = forms.ChoiceField(choices=[("", "as its budget says"), *AtEnd.choices], required=False)


class ScaleForm(forms.Form):
    replicas = forms.IntegerField(min_value=0, max_value=MAX_REPLICAS)


@login_required
def index(request: HttpRequest, slug: str) -> HttpResponse:
    team = choose_team(request, slug)
    sheets = sheets_of(team.deployments.select_related("cap").order_by("wanted", "name"))
    return render(
        request, "deployments/index.html", {"team": team, "mine": membership(request, team), "sheets": sheets}
    )


@login_required
def new(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form; on POST draw up a plan, or show what is wrong with the file and where."""
    team = choose_team(request, slug, to_change=True)
    form = PlanForm(request.POST or None, initial=_earlier(request))
    if not form.is_valid():
        return _form(request, form, team=team)
    try:
        drawn_up = draw_up_plan(
            team=team,
            author=_user(request),
            name=form.cleaned_data["name"] or None,
            source=form.cleaned_data["source"],
            file_name=form.cleaned_data["file_name"] or "compose.yaml",
        )
    except ManifestError as error:
        return _form(request, form, team=team, problems=error.problems)
    return redirect("deployments:plan", pk=drawn_up.pk)


@login_required
def plan(request: HttpRequest, pk: str) -> HttpResponse:
    """What it says; once it is applied, what became of it."""
    found = get_object_or_404(Plan.objects.select_related("team"), pk=pk, team__in=reachable_teams(request))
    applied = found.applied_at is not None and found.deployment_id is not None
    context = {
        "plan": found,
        "placements": [placed | {"price_per_month_glm": per_month(placed)} for placed in found.placements],
        "effect": found.effect_then if applied else effect_of(found),
        "actual": actual_of(found) if applied else None,
        "team": remember_team(request, found.team),
        "expired": found.expires_at <= timezone.now(),
        "mine": membership(request, found.team),
    }
    return render(request, "deployments/plan.html", context)


@login_required
@require_POST
def apply(request: HttpRequest, pk: str) -> HttpResponse:
    found = get_object_or_404(Plan, pk=pk, team__in=reachable_teams(request, to_change=True))
    try:
        deployment = applying.apply_plan(found, actor=Actor.user(_user(request)))
    except ValueError as error:
        messages.error(request, str(error))
        return redirect("deployments:plan", pk=pk)
    return redirect("deployments:detail", pk=deployment.pk)


@login_required
def detail(request: HttpRequest, pk: str) -> HttpResponse:
    deployment = get_object_or_404(Deployment, pk=pk, team__in=reachable_teams(request))
    newest = deployment.plans.exclude(applied_at=None).order_by("-applied_at").first()
    context = live_context(deployment) | _around(request, deployment)
    context |= {"plan": newest, "cap_form": _cap_form(deployment)}
    return render(request, "deployments/detail.html", context)


@login_required
@require_POST
def stop(request: HttpRequest, pk: str) -> HttpResponse:
    deployment = get_object_or_404(Deployment, pk=pk, team__in=reachable_teams(request, to_change=True))
    applying.stop(deployment, actor=Actor.user(_user(request)), reason="stopped on its page")
    messages.info(request, "Stopping. What is left of its holds goes back to the budget.")
    return redirect("deployments:detail", pk=pk)


@login_required
@require_POST
def start(request: HttpRequest, pk: str) -> HttpResponse:
    deployment = get_object_or_404(Deployment, pk=pk, team__in=reachable_teams(request, to_change=True))
    applying.start(deployment, actor=Actor.user(_user(request)), reason="started on its page")
    return redirect("deployments:detail", pk=pk)


@login_required
@require_POST
def scale(request: HttpRequest, pk: str) -> HttpResponse:
    service = get_object_or_404(Service, pk=pk, deployment__team__in=reachable_teams(request, to_change=True))
    form = ScaleForm(request.POST)
    if form.is_valid():
        applying.scale(service, form.cleaned_data["replicas"], actor=Actor.user(_user(request)))
    else:
        messages.error(request, f"{service.name}: replicas must be a whole number from 0 to {MAX_REPLICAS}.")
    return redirect("deployments:detail", pk=service.deployment_id)


@login_required
@require_POST
def budget(request: HttpRequest, pk: str) -> HttpResponse:
    """Change its cap, and what becomes of it when its money ends."""
    deployment = get_object_or_404(Deployment, pk=pk, team__in=reachable_teams(request, to_change=True))
    form = CapForm(request.POST)
    if not form.is_valid():
        name, told = next(iter(form.errors.items()))
        messages.error(request, f"{name}: {told[0]}")
        return redirect("deployments:detail", pk=pk)
    try:
        change_cap(deployment.cap, **form.cleaned_data, actor=Actor.user(_user(request)))
        messages.success(request, f"{deployment.name}: {words_of(deployment.cap)}.")
    except ValueError as error:
        messages.error(request, str(error))
    return redirect("deployments:detail", pk=pk)


@login_required
def console(request: HttpRequest, pk: str) -> HttpResponse:
    """A terminal in a replica, for those who may change the deployment."""
    replica = get_object_or_404(
        Replica.objects.select_related("service__deployment__team"),
        pk=pk,
        service__deployment__team__in=reachable_teams(request, to_change=True),
    )
    deployment = replica.service.deployment
    context = {"replica": replica, "deployment": deployment, "team": remember_team(request, deployment.team)}
    return render(request, "deployments/console.html", context)


@login_required
def logs(request: HttpRequest, pk: str) -> HttpResponse:
    """What a replica wrote, for every member of the team; the page asks for the text by itself."""
    replica = _reachable_replica(request, pk)
    deployment = replica.service.deployment
    context = {"replica": replica, "deployment": deployment, "lines": LINES} | _around(request, deployment)
    return render(request, "deployments/logs.html", context)


@login_required
@never_cache
def log_text(request: HttpRequest, pk: str) -> JsonResponse:
    """The text itself, or the `problem` that keeps it away."""
    try:
        log = log_of(_reachable_replica(request, pk))
    except LogUnavailable as problem:
        return JsonResponse({"problem": str(problem)})
    return JsonResponse({"text": log.text, "generation": log.generation, "node_name": log.node_name})


def _reachable_replica(request: HttpRequest, pk: str) -> Replica:
    reachable = Replica.objects.filter(service__deployment__team__in=reachable_teams(request))
    return get_object_or_404(reachable.select_related("service__deployment__team"), pk=pk)


def live_context(deployment: Deployment) -> dict[str, Any]:
    """What the live part of the page shows; the consumer renders the same."""
    sheet = sheet_of(deployment)
    return {
        "deployment": sheet.deployment,
        "sheet": sheet,
        "cap": sheet.deployment.cap,
        "cap_used_glm": counted_now(sheet.deployment.cap),
        "why_short": why_short(sheet.deployment.cap),
        "short_of": short_of(sheet.deployment.cap),
        "gone": gone_of(each.service for each in sheet.services),
        "gone_at": max(filter(None, (each.service.taken_at for each in sheet.services)), default=None),
        "back_when": back_when(sheet.deployment.cap),
        "back_short_of": whose_room(sheet.deployment.cap),
        "runway": sheet.runway,
        "traffic": traffic_of(deployment),
        "events": timeline_of(deployment),
    }


def _cap_form(deployment: Deployment) -> CapForm:
    cap = deployment.cap
    limit = None if cap.limit_glm is None else plain(cap.limit_glm)
    return CapForm(initial={"limit_glm": limit, "per": cap.per, "at_end": cap.at_end}, auto_id="cap-%s")


def _around(request: HttpRequest, deployment: Deployment) -> dict[str, Any]:
    return {"team": remember_team(request, deployment.team), "mine": membership(request, deployment.team)}


def _earlier(request: HttpRequest) -> dict[str, str]:
    """`?from=<deployment>`: begin with its file, to change it."""
    form = _FromForm(request.GET)
    if not form.is_valid():
        return {}
    reachable = Deployment.objects.filter(team__in=reachable_teams(request))
    deployment = reachable.filter(pk=form.cleaned_data["from_"]).first()
    return {"name": deployment.name, "source": deployment.source} if deployment else {}


def _form(request: HttpRequest, form: PlanForm, **context: Any) -> HttpResponse:
    status = 422 if form.is_bound else 200
    return render(request, "deployments/new.html", {"form": form} | context, status=status)


def _user(request: HttpRequest) -> Any:
    """`login_required` lets nobody anonymous come this far."""
    return request.user
