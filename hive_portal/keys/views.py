"""Pages of application keys: those of a team, and one of them. They are its owners' to see and to change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.market.keys.policy import NameTaken
from apps.market.models import KeyPolicy
from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership, remember_team
from apps.teams.models import Role, Team
from apps.teams.reach import owned_teams
from hive_portal.keys.forms import AllowedForm, NewKeyForm
from hive_portal.keys.sheets import keys_of, sheets_of


@login_required
def index(request: HttpRequest, slug: str) -> HttpResponse:
    return _index(request, choose_team(request, slug), NewKeyForm())


@login_required
@never_cache
@require_POST
def create(request: HttpRequest, slug: str) -> HttpResponse:
    team = get_object_or_404(owned_teams(request), slug=slug)
    form = NewKeyForm(request.POST)
    if not form.is_valid():
        return _index(request, team, form, status=422)
    allowed = dict(form.cleaned_data)
    name, valid = allowed.pop("name"), timedelta(days=allowed.pop("valid_days"))
    try:
        policy, text = KeyPolicy.issue(team=team, user=_user(request), name=name, valid=valid, **allowed)
    except NameTaken as error:
        form.add_error("name", str(error))
        return _index(request, team, form, status=422)
    return _index(request, team, NewKeyForm(), issued=policy, text=text)


@login_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    policy = _mine(request, pk)
    return _detail(request, policy, AllowedForm.of(policy))


@login_required
@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    policy = _mine(request, pk)
    form = AllowedForm(request.POST)
    if not form.is_valid():
        return _detail(request, policy, form, status=422)
    policy.change(actor=Actor.user(_user(request)), **form.cleaned_data)
    messages.success(request, "Changed: what it may holds from now on.")
    return redirect("keys:detail", pk=pk)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    policy = _mine(request, pk)
    policy.revoke(actor=Actor.user(_user(request)), reason="revoked on its page")
    messages.success(request, "Revoked: it opens nothing from now on. What runs under it goes on.")
    return redirect("keys:detail", pk=pk)


def _mine(request: HttpRequest, pk: int) -> KeyPolicy:
    return get_object_or_404(keys_of(owned_teams(request)), token=pk)


def _index(
    request: HttpRequest, team: Team, form: NewKeyForm, *, status: int = 200, **extra: Any
) -> HttpResponse:
    is_owner = membership(request, team).role == Role.OWNER
    keys = keys_of(owned_teams(request)).filter(token__team=team)
    context = {"team": team, "is_owner": is_owner, "keys": sheets_of(list(keys)), "form": form}
    return render(request, "keys/index.html", context | extra, status=status)


def _detail(request: HttpRequest, policy: KeyPolicy, form: AllowedForm, *, status: int = 200) -> HttpResponse:
    [key] = sheets_of([policy])
    team = remember_team(request, policy.token.team)
    return render(request, "keys/detail.html", {"key": key, "team": team, "form": form}, status=status)


def _user(request: HttpRequest) -> Any:
    """`login_required` lets nobody anonymous come this far."""
    return request.user
