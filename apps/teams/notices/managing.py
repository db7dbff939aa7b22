"""What owners do with webhooks: add one, give it another secret, try it, send something anew, remove it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team
from apps.teams.notices.models import Delivery, DeliveryState, Notice, Webhook
from apps.teams.notices.notifying import DELIVER
from apps.teams.notices.reaching import checked_url, must_not_lead_inside
from apps.teams.notices.sending import SENDING
from apps.work import enqueue_once

MOST_WEBHOOKS = 10
"""Of a team."""
TEST_KIND = "webhook.test"
TESTED_FOR = timedelta(minutes=1)
"""Somebody sits there and waits for what is answered."""
MOST_WAITING = 20
"""For one webhook, or one address of a team; where more waits already nothing is sent by hand."""


class WebhookRefused(ValueError):
    """Its text is for the team."""


def add_webhook(*, team: Team, url: str, actor: Actor) -> Webhook:
    """From now on it is told of what the team is told of. Raises WebhookRefused."""
    networks = settings.HIVE_WEBHOOK_NETWORKS
    try:
        checked = checked_url(url, networks=networks)
        must_not_lead_inside(checked, networks=networks)  # asks a resolver, so before the transaction
    except ValueError as error:
        raise WebhookRefused(str(error)) from None
    return _added(team, str(checked), actor=actor)


@transaction.atomic
def _added(team: Team, url: str, *, actor: Actor) -> Webhook:
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if Webhook.objects.filter(team=team, removed_at=None).count() >= MOST_WEBHOOKS:
        raise WebhookRefused(f"a team has at most {MOST_WEBHOOKS} webhooks: remove one of them first")
    try:
        with transaction.atomic():
            webhook = Webhook.objects.create(team=team, url=url)
    except IntegrityError:
        raise WebhookRefused("your team has a webhook at this address") from None
    AuditLine.write(webhook, before="", after="added", actor=actor, reason="")
    return webhook


@transaction.atomic
def rotate_secret(webhook: Webhook, *, actor: Actor) -> Webhook:
    """Another secret from now on; the old one signs too for a day. Raises WebhookRefused."""
    current = _in_force(webhook)
    current.generation, current.rotated_at = current.generation + 1, timezone.now()
    current.save(update_fields=["generation", "rotated_at"])
    AuditLine.write(current, before="", after="rotated", actor=actor, reason="it has another secret")
    return current


@transaction.atomic
def remove_webhook(webhook: Webhook, *, actor: Actor) -> None:
    """It is told of nothing any more, not even of what waits for it. Removing it twice changes nothing."""
    now = timezone.now()
    if Webhook.objects.filter(pk=webhook.pk, removed_at=None).update(removed_at=now) == 1:
        AuditLine.write(webhook, before="added", after="removed", actor=actor, reason="")
    waiting = Delivery.objects.filter(webhook=webhook, state=DeliveryState.WAITING)
    Delivery.move_all(
        list(waiting.select_related("notice")),
        DeliveryState.GIVEN_UP,
        actor=SENDING,
        reason="the webhook was removed",
    )


@transaction.atomic
def send_test(webhook: Webhook) -> Delivery:
    """A notice to this webhook alone, tried for a minute. Raises WebhookRefused."""
    current = _in_force(webhook)
    on_its_way = Delivery.objects.filter(webhook=current, state=DeliveryState.WAITING)
    if on_its_way.filter(notice__kind=TEST_KIND).exists():
        raise WebhookRefused("a test is on its way already: it is answered or given up within a minute")
    notice = Notice.objects.create(
        team=current.team,
        kind=TEST_KIND,
        subject="A test of your webhook",
        text="If you read this and the signature is right, your webhook works.",
    )
    return _send(notice, webhook=current, within=TESTED_FOR)


@transaction.atomic
def redeliver(delivery: Delivery, *, actor: Actor) -> Delivery:
    """Send the same message anew, under the same webhook-id. Raises WebhookRefused."""
    notice = Notice.objects.select_for_update(no_key=True, of=("self",)).get(pk=delivery.notice_id)
    same = notice.deliveries.filter(webhook=delivery.webhook_id, address=delivery.address)
    if (current := same.filter(state=DeliveryState.WAITING).first()) is not None:
        raise WebhookRefused(f"it is on its way already, its next try is at {current.next_at:%H:%M:%S} UTC")
    webhook = None if delivery.webhook is None else _in_force(delivery.webhook)
    within = timedelta(seconds=settings.HIVE_NOTICE_GIVE_UP_S)
    again = _send(notice, webhook=webhook, address=delivery.address, within=within)
    AuditLine.write(again, before="", after=again.state, actor=actor, reason="sent anew")
    return again


def _send(notice: Notice, *, webhook: Webhook | None, address: str = "", within: timedelta) -> Delivery:
    to = {"webhook": webhook, "address": address}
    waiting = Delivery.objects.filter(**to, notice__team=notice.team_id, state=DeliveryState.WAITING)
    if (many := waiting.count()) >= MOST_WAITING:
        raise WebhookRefused(f"{many} notices wait to be sent there: they go first")
    now = timezone.now()
    made = Delivery.objects.create(notice=notice, **to, next_at=now, deadline_at=now + within)
    enqueue_once(DELIVER)
    return made


def _in_force(webhook: Webhook) -> Webhook:
    current = Webhook.objects.select_for_update(of=("self",)).select_related("team").get(pk=webhook.pk)
    if current.removed_at is not None:
        raise WebhookRefused(f"{current} was removed")
    return current
