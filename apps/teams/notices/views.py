"""The page of notices: who is told by mail, the team's webhooks, and what was sent with what was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.teams.audit import Actor
from apps.teams.choice import choose_team, membership
from apps.teams.models import Member, Role, Team
from apps.teams.notices import managing
from apps.teams.notices.managing import WebhookRefused
from apps.teams.notices.models import Delivery, Webhook
from apps.teams.notices.signing import secret_of
from apps.teams.reach import owned_teams, reachable_teams

SHOWN = 30
"""Of the newest deliveries."""


class WebhookForm(forms.Form):
    url = forms.CharField(max_length=1000, label="Address")


@login_required
def notices(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, choose_team(request, slug))


@login_required
@require_POST
def want_mails(request: HttpRequest, slug: str) -> HttpResponse:
    """Owners are told by mail, unless they say that they don't want to be."""
    team = get_object_or_404(owned_teams(request), slug=slug)
    wants = request.POST.get("wanted") == "yes"
    Member.objects.filter(team=team, user=request.user.pk).update(wants_mails=wants)
    messages.success(request, "You are told by mail." if wants else "You are not told by mail any more.")
    return redirect("teams:notices", slug=slug)


@login_required
@never_cache
@require_POST
def add_webhook(request: HttpRequest, slug: str) -> HttpResponse:
    team = get_object_or_404(owned_teams(request), slug=slug)
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _page(request, team, form=form, status=422)
    try:
        made = managing.add_webhook(team=team, url=form.cleaned_data["url"], actor=_actor(request))
    except WebhookRefused as error:
        form.add_error("url", str(error))
        return _page(request, team, form=form, status=422)
    return _page(request, team, shown=made, secret=secret_of(made))


@login_required
@never_cache
@require_POST
def rotate_secret(request: HttpRequest, pk: str) -> HttpResponse:
    webhook = _webhook(request, pk)
    try:
        rotated = managing.rotate_secret(webhook, actor=_actor(request))
    except WebhookRefused as error:
        return _told(request, webhook.team, error)
    return _page(request, webhook.team, shown=rotated, secret=secret_of(rotated))


@login_required
@require_POST
def send_test(request: HttpRequest, pk: str) -> HttpResponse:
    webhook = _webhook(request, pk)
    return _tried(
        request, webhook.team, lambda: managing.send_test(webhook), "A test is on its way: see below."
    )


@login_required
@require_POST
def remove_webhook(request: HttpRequest, pk: str) -> HttpResponse:
    webhook = _webhook(request, pk)
    managing.remove_webhook(webhook, actor=_actor(request))
    messages.success(request, "The webhook is removed: it is told of nothing any more.")
    return redirect("teams:notices", slug=webhook.team.slug)


@login_required
@require_POST
def redeliver(request: HttpRequest, pk: str) -> HttpResponse:
    rows = Delivery.objects.select_related("notice__team", "webhook")
    delivery = get_object_or_404(rows, pk=pk, notice__team__in=owned_teams(request))
    assert delivery.notice.team is not None  # it is one of theirs

    def again() -> Delivery:
        return managing.redeliver(delivery, actor=_actor(request))

    return _tried(request, delivery.notice.team, again, "The same message is on its way anew.")


def _tried(request: HttpRequest, team: Team, act: Callable[[], object], done: str) -> HttpResponse:
    try:
        act()
        messages.success(request, done)
    except WebhookRefused as error:
        messages.error(request, str(error))
    return redirect("teams:notices", slug=team.slug)


def _told(request: HttpRequest, team: Team, error: WebhookRefused) -> HttpResponse:
    messages.error(request, str(error))
    return redirect("teams:notices", slug=team.slug)


def _webhook(request: HttpRequest, pk: str) -> Webhook:
    """A removed one is gone."""
    rows = Webhook.objects.filter(removed_at=None).select_related("team")
    return get_object_or_404(rows, pk=pk, team__in=owned_teams(request))


def _page(
    request: HttpRequest,
    team: Team,
    *,
    form: WebhookForm | None = None,
    shown: Webhook | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    mine = membership(request, team)
    is_owner = mine.role == Role.OWNER
    sent = Delivery.objects.filter(notice__team=team).select_related("notice", "webhook")
    context: dict[str, Any] = {
        "team": get_object_or_404(reachable_teams(request), pk=team.pk),
        "mine": mine,
        "is_owner": is_owner,
        "webhooks": team.webhooks.filter(removed_at=None) if is_owner else (),
        "deliveries": sent.prefetch_related("attempts")[:SHOWN] if is_owner else (),
        "form": form or WebhookForm(),
        "shown": shown,
        "secret": secret,
    }
    return render(request, "teams/notices.html", context, status=status)


def _actor(request: HttpRequest) -> Actor:
    return Actor.user(request.user)  # type: ignore[arg-type]  # nobody anonymous comes here
