"""Sending what waits: claimed, sent outside the transaction, written down with its answer.

A claim is a next try a while ahead. A worker that is killed while it sends loses no delivery: it is sent
again, at worst a second time, and receivers tell by webhook-id that they have it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps.locks import queue_for
from apps.teams.audit import Actor
from apps.teams.notices.models import Delivery, DeliveryAttempt, DeliveryState, Notice
from apps.teams.notices.posting import Answer, Call, Mail, send
from apps.teams.notices.retrying import GONE, next_try
from apps.teams.notices.signing import headers_for, secrets_in_force

SENDING = Actor.queen("notices")
CLAIMING = "teams.claim_notices"
AT_ONCE = 20
OF_ONE_TEAM = 4
"""At once, by all workers together: a team whose webhook does not answer holds up nobody else."""
CLAIMED_FOR = timedelta(minutes=2)
"""Longer than anything takes to be sent: see the limits in posting.py."""
KEPT = timedelta(days=90)


def deliver_notices(*, now: datetime | None = None) -> int:
    """Send what is due, as much as goes at once. Returns how many were tried; there may be more."""
    now = now or timezone.now()
    claimed = _claim(now)
    letters = [_letter(delivery, now=now) for delivery in claimed]
    for place, answer in _answers(letters):
        _note(claimed[place], answer, now=now)
    return len(claimed)


def forget_notices(*, now: datetime | None = None) -> int:
    """Delete what is old and no longer on its way. Returns how many notices that were."""
    old = Notice.objects.filter(created_at__lt=(now or timezone.now()) - KEPT)
    return old.exclude(deliveries__state=DeliveryState.WAITING).delete()[1].get("teams.Notice", 0)


@transaction.atomic
def _claim(now: datetime) -> list[Delivery]:
    """One worker at a time chooses, so that each sees what the others have taken."""
    queue_for(CLAIMING)
    due = Delivery.objects.filter(state=DeliveryState.WAITING, next_at__lte=now)
    rows = due.filter(pk__in=_in_turn(now)).select_related("notice__team", "webhook")
    claimed = list(rows.select_for_update(of=("self",), skip_locked=True))
    until = now + CLAIMED_FOR
    for delivery in claimed:
        delivery.next_at, delivery.claimed_until, delivery.tries = until, until, delivery.tries + 1
    Delivery.objects.filter(pk__in=[each.pk for each in claimed]).update(
        next_at=until, claimed_until=until, tries=F("tries") + 1
    )
    return claimed


def _in_turn(now: datetime) -> list[UUID]:
    """Whose turn it is: what workers have in hand takes its team's first places, what is due the rest."""
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING)
    rows = waiting.filter(Q(next_at__lte=now) | Q(claimed_until__gt=now))
    by = (F("claimed_until").desc(nulls_last=True), F("next_at"))
    turn = Window(RowNumber(), partition_by=[F("notice__team")], order_by=by)
    of_each = rows.annotate(turn=turn).filter(turn__lte=OF_ONE_TEAM)
    # What is in hand is due last of all, should its worker die.
    return list(of_each.order_by("next_at").values_list("pk", flat=True)[:AT_ONCE])


def _answers(letters: Sequence[Mail | Call]) -> Iterator[tuple[int, Answer]]:
    """All are sent at once; each answer as it comes, with its letter's place: who is silent holds up none."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        places = {loop.create_task(send(letter)): place for place, letter in enumerate(letters)}
        waiting = set(places)
        while waiting:
            come, waiting = runner.run(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
            yield from ((places[task], task.result()) for task in come)


@transaction.atomic
def _note(delivery: Delivery, answer: Answer, *, now: datetime) -> None:
    """What a claim that ran out brings is kept as an attempt, and moves nothing."""
    current = Delivery.objects.select_for_update().get(pk=delivery.pk)
    DeliveryAttempt.objects.create(
        delivery=delivery, at=now, took_ms=answer.took_ms, status=answer.status, answer=answer.text
    )
    if current.state != DeliveryState.WAITING or (current.tries != delivery.tries and not answer.is_taken):
        return
    told = " ".join(filter(None, [str(answer.status or ""), answer.text]))[:300]
    if answer.is_taken:
        delivery.move_to(DeliveryState.DELIVERED, actor=SENDING, reason=told)
        return
    assert delivery.deadline_at is not None  # it waits, so the database insists
    is_gone = answer.is_final or answer.status == GONE
    again = None if is_gone else next_try(delivery.tries, now=now, deadline_at=delivery.deadline_at)
    if again is None:
        delivery.move_to(
            DeliveryState.GIVEN_UP, actor=SENDING, reason=f"after {delivery.tries} tries: {told}"
        )
    else:
        Delivery.objects.filter(pk=delivery.pk).update(next_at=again, claimed_until=None, reason=told)


def _letter(delivery: Delivery, *, now: datetime) -> Mail | Call:
    notice, webhook = delivery.notice, delivery.webhook
    if webhook is None:
        return Mail(address=delivery.address, subject=notice.subject, text=notice.text)
    body = body_of(notice)
    secrets = secrets_in_force(webhook, now=now)
    return Call(
        url=webhook.url,
        headers=headers_for(secrets, message_id=f"msg_{notice.pk.hex}", body=body, now=now),
        body=body,
        networks=settings.HIVE_WEBHOOK_NETWORKS,
    )


def body_of(notice: Notice) -> str:
    """JSON, the same at each try."""
    team = notice.team.slug if notice.team else None
    data = {**notice.data, "team": team, "subject": notice.subject, "text": notice.text}
    told = {"type": notice.kind, "timestamp": notice.created_at.astimezone(UTC).isoformat(), "data": data}
    return json.dumps(told, cls=DjangoJSONEncoder, separators=(",", ":"))
