"""Telling people: a notice and a delivery for each of them, written in the caller's transaction.

Nothing is sent here: what is told of something that is undone was never told, and a mail server that is away
holds up nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.teams.models import Role, Team
from apps.teams.notices.models import Delivery, Notice, Webhook
from apps.work import enqueue_once

log = logging.getLogger("hive.notices")

DELIVER = "teams.deliver_notices"


@transaction.atomic
def notify(
    *,
    team: Team,
    kind: str,
    subject: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    key: str | None = None,
    to: Iterable[str] | None = None,
) -> Notice:
    """Tell a team: its owners who want mails, or the addresses `to`, and each of its webhooks.

    `kind` is a word for programs such as `budget.used`; `data` goes to webhooks as it is (amounts become
    strings); with a `key` the same is told of once, however often it is asked.
    """
    notice, is_new = _written(team, kind, subject, text, data, key)
    if is_new:
        addresses = mail_addresses(team) if to is None else to
        webhooks = Webhook.objects.filter(team=team, removed_at=None)
        _send(notice, addresses=addresses, webhooks=webhooks)
    return notice


@transaction.atomic
def notify_operators(
    *, kind: str, subject: str, text: str, data: Mapping[str, Any] | None = None, key: str | None = None
) -> Notice:
    """Tell those who run the Hive, at HIVE_OPERATORS_EMAIL; without one it is an error in the log."""
    notice, is_new = _written(None, kind, subject, text, data, key)
    if is_new:
        _send(notice, addresses=settings.HIVE_OPERATORS_EMAIL)
        if not settings.HIVE_OPERATORS_EMAIL:
            log.error("%s: %s", notice.subject, notice.text)
    return notice


@transaction.atomic
def notify_person(
    *,
    user: Any,
    kind: str,
    subject: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> Notice:
    """Tell one person, by mail where an address is known: the owner of a Bee, say."""
    notice, is_new = _written(None, kind, subject, text, data, key)
    if is_new:
        _send(notice, addresses=[user.email])
    return notice


def mail_addresses(team: Team) -> list[str]:
    """Of the team's owners, unless they want no mails."""
    owners = team.members.filter(role=Role.OWNER, wants_mails=True, user__is_active=True)
    return list(owners.order_by("pk").values_list("user__email", flat=True))


def _written(
    team: Team | None, kind: str, subject: str, text: str, data: Mapping[str, Any] | None, key: str | None
) -> tuple[Notice, bool]:
    given = {
        "team": team,
        "kind": kind,
        "subject": " ".join(subject.split())[:200],
        "text": text[:8000],
        "data": dict(data or {}),
    }
    if key is None:
        return Notice.objects.create(**given), True
    return Notice.objects.get_or_create(key=key, defaults=given)


def _send(notice: Notice, *, addresses: Iterable[str], webhooks: Iterable[Webhook] = ()) -> None:
    now = timezone.now()
    terms = {
        "notice": notice,
        "next_at": now,
        "deadline_at": now + timedelta(seconds=settings.HIVE_NOTICE_GIVE_UP_S),
    }
    mails = [Delivery(address=each, **terms) for each in dict.fromkeys(addresses) if each]
    Delivery.objects.bulk_create([*mails, *(Delivery(webhook=each, **terms) for each in webhooks)])
    enqueue_once(DELIVER)
