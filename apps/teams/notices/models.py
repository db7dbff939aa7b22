"""The nouns of telling: a notice, the webhooks of a team, and one delivery for each who is told."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlsplit

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.teams.states import Stateful, has_deadline

MOST_LETTERS = 1000
"""Of an answer that is kept."""


class Webhook(models.Model):
    """An address of a team that is told of what happens. Its secret is derived (signing.py), not kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("teams.Team", on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    generation = models.PositiveIntegerField(
        default=1, help_text="Of its secret: one more with each rotation."
    )
    rotated_at = models.DateTimeField(
        null=True, blank=True, help_text="Since then the secret is another one."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True, help_text="Since then it is told of nothing.")

    class Meta:
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("team", "url"), condition=Q(removed_at=None), name="webhook_once_per_team"
            ),
        )

    def __str__(self) -> str:
        """Its host alone: the rest of an address may be a secret of its receiver's."""
        return f"webhook at {urlsplit(self.url).netloc}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id


class Notice(models.Model):
    """Something that people should know of, in words and in data; never changed. Of no team: operators'."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(
        "teams.Team", null=True, blank=True, on_delete=models.PROTECT, related_name="notices"
    )
    kind = models.CharField(max_length=60, help_text="A word for programs: budget.used, invoice.overdue, …")
    subject = models.CharField(max_length=200)
    text = models.TextField(max_length=8000)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    key = models.CharField(
        max_length=160, null=True, blank=True, unique=True, help_text="The same key is told of once."
    )
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.subject


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    """To be sent, or to be sent again when its next try is due."""
    DELIVERED = "delivered", "Delivered"
    """The mail server took it, or the webhook answered with 2xx."""
    GIVEN_UP = "given_up", "Given up"
    """Nobody took it in time, or the webhook is gone; it may be sent anew by hand."""


class Delivery(Stateful):
    """One notice on its way to one address, by mail or by webhook."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        DeliveryState.WAITING: frozenset({DeliveryState.DELIVERED, DeliveryState.GIVEN_UP}),
        DeliveryState.DELIVERED: frozenset(),
        DeliveryState.GIVEN_UP: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(
        Webhook, null=True, blank=True, on_delete=models.PROTECT, related_name="deliveries"
    )
    address = models.EmailField(blank=True)
    state = models.CharField(max_length=12, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    tries = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now, help_text="When it is tried next, while it waits.")
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="So long it is a worker's who sends it now."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(fields=("next_at",), condition=Q(state="waiting"), name="delivery_that_waits"),
        )
        constraints = (
            models.CheckConstraint(
                name="delivery_by_mail_or_webhook",
                condition=Q(webhook=None, address__gt="") | Q(webhook__isnull=False, address=""),
            ),
            has_deadline(
                terminal={DeliveryState.DELIVERED, DeliveryState.GIVEN_UP}, name="delivery_has_deadline"
            ),
        )

    def __str__(self) -> str:
        return f"{self.notice} to {self.webhook or self.address}"

    @property
    def audit_team_id(self) -> int | None:
        return self.notice.team_id


class DeliveryAttempt(models.Model):
    """One try, and what the other side answered; never changed."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField(default=timezone.now)
    took_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of HTTP; none without one.")
    answer = models.CharField(
        max_length=MOST_LETTERS, blank=True, help_text="As it came, or what went wrong."
    )

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.status or ''} {self.answer[:80]}".strip()
