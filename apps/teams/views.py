"""The team's own page: who is in it, and the tokens its scripts use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.models import ApiToken, Role, Team
from apps.teams.reach import owned_teams


class TokenForm(forms.Form):
    name = forms.CharField(max_length=80, label="What is it for?")
    valid_days = forms.TypedChoiceField(
        coerce=int,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")],
        initial=90,
        label="Valid for",
    )


@login_required
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, choose_team(request, slug), TokenForm())


@login_required
@never_cache
@require_POST
def create_token(request: HttpRequest, slug: str) -> HttpResponse:
    team = get_object_or_404(owned_teams(request), slug=slug)
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, team, form, status=422)
    valid = timedelta(days=form.cleaned_data["valid_days"])
    token, text = ApiToken.issue(team=team, user=_user(request), name=form.cleaned_data["name"], valid=valid)
    return _page(request, team, TokenForm(), issued=token, text=text)


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, team__in=owned_teams(request))
    token.revoke(actor=Actor.user(_user(request)), reason="revoked on the team's page")
    messages.success(request, f"Token “{token.name}” is revoked: it opens nothing from now on.")
    return redirect("teams:settings", slug=token.team.slug)


def _page(
    request: HttpRequest, team: Team, form: TokenForm, *, status: int = 200, **extra: Any
) -> HttpResponse:
    mine = membership(request, team)
    tokens = team.tokens.select_related("user") if mine.role == Role.OWNER else ApiToken.objects.none()
    context = {
        "team": team,
        "mine": mine,
        "is_owner": mine.role == Role.OWNER,
        "members": team.members.select_related("user").order_by("user__username"),
        "tokens": tokens,
        "form": form,
        "now": timezone.now(),
    }
    return render(request, "teams/settings.html", context | extra, status=status)


def _user(request: HttpRequest) -> Any:
    """`login_required` lets nobody anonymous come this far."""
    return request.user
