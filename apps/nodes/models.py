"""The Bees as the Queen knows them: who they are, whether they are there, and what they offer."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.money import ZERO, Priced
from apps.nodes.links import nudge
from apps.nodes.measured import NodeBenchmark as NodeBenchmark
from apps.nodes.measured import Statistic as Statistic
from apps.nodes.silence import silent_from
from apps.nodes.sizes import Sized
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import digest_of
from apps.teams.states import StaleState, Stateful, has_deadline

ADDRESS = RegexValidator(r"^0x[0-9a-f]{40}$", "an Ethereum address in lower case")


class NodeState(models.TextChoices):
    PENDING = "pending", "Pending"
    """Enrolled, waiting for an operator's approval; runs nothing."""
    ONLINE = "online", "Online"
    """Its link is up and its heartbeats arrive in time."""
    UNKNOWN = "unknown", "Unknown"
    """Silent, but perhaps working: nothing is moved away until the deadline."""
    OFFLINE = "offline", "Offline"
    """Silent for too long; what it ran is replaced elsewhere."""
    BANNED = "banned", "Banned"
    """Shut out by an operator; its key is refused."""


class Scheduling(models.TextChoices):
    OPEN = "open", "Open"
    """Takes new replicas."""
    CORDONED = "cordoned", "Cordoned"
    """Keeps what it runs, takes nothing new."""
    DRAINING = "draining", "Draining"
    """What it runs is moved elsewhere, nothing new comes."""


class Node(Stateful):
    """A machine for rent. Its id is the Ethereum address of the key the Bee made for itself."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        NodeState.PENDING: frozenset({NodeState.ONLINE, NodeState.OFFLINE, NodeState.BANNED}),
        NodeState.ONLINE: frozenset({NodeState.UNKNOWN, NodeState.BANNED}),
        NodeState.UNKNOWN: frozenset({NodeState.ONLINE, NodeState.OFFLINE, NodeState.BANNED}),
        NodeState.OFFLINE: frozenset({NodeState.ONLINE, NodeState.PENDING, NodeState.BANNED}),
        NodeState.BANNED: frozenset({NodeState.OFFLINE}),
    }

    id = models.CharField(primary_key=True, max_length=42, validators=[ADDRESS])
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="nodes")
    name = models.CharField(max_length=80)
    state = models.CharField(max_length=12, choices=NodeState.choices, default=NodeState.PENDING)
    scheduling = models.CharField(max_length=12, choices=Scheduling.choices, default=Scheduling.OPEN)
    approved_at = models.DateTimeField(null=True, blank=True)
    agent_version = models.CharField(max_length=40, blank=True)
    runtimes = models.JSONField(default=list, blank=True)
    properties = models.JSONField(
        default=dict, blank=True, help_text="In Golem's names: golem.inf.cpu.threads, ..."
    )
    stats = models.JSONField(default=dict, blank=True, help_text="The last heartbeat's measurements.")
    benchmark = models.ForeignKey(
        NodeBenchmark,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The newest.",
    )
    ssh_host_key = models.TextField(blank=True, help_text="Pinned: a console to any other key is refused.")
    region = models.CharField(max_length=40, blank=True, help_text="As its owner declares it.")
    region_fault = models.CharField(
        max_length=200, blank=True, help_text="Why the declared region is not believed."
    )
    round_trip_ms = models.FloatField(
        null=True, blank=True, help_text="The least that the Queen measured lately."
    )
    cpu_threads = models.DecimalField(max_digits=10, decimal_places=3, default=ZERO)
    mem_gib = models.DecimalField(max_digits=12, decimal_places=3, default=ZERO)
    storage_gib = models.DecimalField(max_digits=12, decimal_places=3, default=ZERO)
    gpus = models.PositiveSmallIntegerField(default=0)
    cpu_threads_claimed = models.DecimalField(max_digits=10, decimal_places=3, default=ZERO)
    mem_gib_claimed = models.DecimalField(max_digits=12, decimal_places=3, default=ZERO)
    storage_gib_claimed = models.DecimalField(max_digits=12, decimal_places=3, default=ZERO)
    gpus_claimed = models.PositiveSmallIntegerField(default=0)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    wanted_revision = models.BigIntegerField(default=0, help_text="Counts the wanted sets sent to it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("created_at",)
        constraints = (
            models.CheckConstraint(
                name="node_capacity_is_sold_once",
                condition=Q(cpu_threads_claimed__gte=0)
                & Q(mem_gib_claimed__gte=0)
                & Q(storage_gib_claimed__gte=0)
                & Q(gpus_claimed__gte=0)
                & (Q(cpu_threads_claimed__lte=F("cpu_threads")) | Q(cpu_threads_claimed=0))
                & (Q(mem_gib_claimed__lte=F("mem_gib")) | Q(mem_gib_claimed=0))
                & (Q(storage_gib_claimed__lte=F("storage_gib")) | Q(storage_gib_claimed=0))
                & (Q(gpus_claimed__lte=F("gpus")) | Q(gpus_claimed=0)),
            ),
            models.CheckConstraint(name="node_id_is_an_address", condition=Q(id__regex=r"^0x[0-9a-f]{40}$")),
            has_deadline(
                terminal={NodeState.PENDING, NodeState.OFFLINE, NodeState.BANNED}, name="node_has_deadline"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.id[:10]}…)"

    @property
    def is_approved(self) -> bool:
        return self.approved_at is not None and self.state != NodeState.BANNED

    def approve(self, *, actor: Actor) -> None:
        """Let it take work. A node that was approved before is left as it is."""
        if self.approved_at is not None:
            return
        self.approved_at = timezone.now()
        if self.state != NodeState.PENDING:
            with transaction.atomic():
                if (
                    Node.objects.filter(pk=self.pk, approved_at=None).update(approved_at=self.approved_at)
                    == 1
                ):
                    AuditLine.write(self, before=self.state, after="approved", actor=actor, reason="approved")
        elif self.sessions.filter(closed_at=None).exists():
            self.move_to(
                NodeState.ONLINE,
                actor=actor,
                reason="approved",
                deadline_at=silent_from(timezone.now()),
                approved_at=self.approved_at,
            )
        else:
            self.move_to(
                NodeState.OFFLINE, actor=actor, reason="approved, not here yet", approved_at=self.approved_at
            )
        nudge(self.id)

    def cordon(self, *, actor: Actor, reason: str) -> None:
        """Nothing new comes to it; what it runs stays."""
        self._schedule(Scheduling.CORDONED, actor=actor, reason=reason)

    def uncordon(self, *, actor: Actor, reason: str = "opened again") -> None:
        self._schedule(Scheduling.OPEN, actor=actor, reason=reason)

    def drain(self, *, actor: Actor, reason: str) -> None:
        """Nothing new comes to it, and what it runs is moved elsewhere."""
        self._schedule(Scheduling.DRAINING, actor=actor, reason=reason)

    def ban(self, *, actor: Actor, reason: str) -> None:
        """Shut it out: its link ends, and its key is refused from now on."""
        with transaction.atomic():
            self.move_to(NodeState.BANNED, actor=actor, reason=reason)
            for offer in self.offers.filter(state__in=STANDING):
                with suppress(StaleState):  # withdrawn or expired in this moment: just as well
                    offer.move_to(OfferState.WITHDRAWN, actor=actor, reason="its node is banned")
            nudge(self.id)

    def unban(self, *, actor: Actor, reason: str = "allowed again") -> None:
        self.move_to(NodeState.OFFLINE, actor=actor, reason=reason)

    def _schedule(self, scheduling: str, *, actor: Actor, reason: str) -> None:
        before = self.scheduling
        others = Node.objects.filter(pk=self.pk).exclude(scheduling=scheduling)
        with transaction.atomic():
            if others.update(scheduling=scheduling) == 1:
                AuditLine.write(self, before=before, after=scheduling, actor=actor, reason=reason)
        self.scheduling = scheduling


class Listener(models.Model):
    """A process that holds links, and when it did: silence counts only while somebody listened."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{str(self.id)[:8]} from {self.started_at:%Y-%m-%d %H:%M:%S}"


class NodeSession(models.Model):
    """An interval in which the Queen heard the node: its side of the three-way metering."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="sessions")
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    channel = models.CharField(max_length=120, help_text="Channel-layer name of the link that speaks for it.")
    close_reason = models.CharField(max_length=200, blank=True)
    peer = models.GenericIPAddressField(null=True, blank=True, help_text="Where the link comes from.")
    round_trip_ms = models.FloatField(
        null=True, blank=True, help_text="From the challenge to its answer, by the Queen's clock."
    )

    class Meta:
        ordering = ("-opened_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("node",), condition=Q(closed_at__isnull=True), name="node_has_one_open_session"
            ),
        )

    def __str__(self) -> str:
        return f"{self.node_id} from {self.opened_at:%H:%M:%S}"


class Enrolment(models.Model):
    """A one-time, expiring token with which a Bee joins. Shown once, kept as a digest."""

    PREFIX = "bee_"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="enrolments")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=16, editable=False)
    approves = models.BooleanField(
        default=False, help_text="The node is approved at once, by who made the token."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True, editable=False)
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.SET_NULL, related_name="enrolments"
    )

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.hint}… of {self.owner}"

    @classmethod
    def issue(
        cls, *, owner: Any, approves: bool = False, valid: timedelta = timedelta(hours=24)
    ) -> tuple[Self, str]:
        """Make a token; its text is returned here and never again."""
        enrolment = cls(owner=owner, approves=approves)
        text = enrolment.new_token(valid)
        enrolment.save()
        return enrolment, text

    def new_token(self, valid: timedelta) -> str:
        """Of an enrolment that is not stored yet: sets what is kept of the token, returns its text."""
        text = self.PREFIX + secrets.token_urlsafe(32)
        self.digest, self.hint = digest_of(text), text[:11]
        self.expires_at = timezone.now() + valid
        return text


class OfferState(models.TextChoices):
    LIVE = "live", "Live"
    """Can be taken."""
    LOST = "lost", "Withdrawn while its node is lost"
    """Its node is offline: withdrawn by the Queen, live again if the node comes back in time."""
    WITHDRAWN = "withdrawn", "Withdrawn"
    """Taken back by the Bee, or replaced by a newer one."""
    EXPIRED = "expired", "Expired"
    """Its time has run out."""


STANDING = frozenset({OfferState.LIVE, OfferState.LOST})
"""Offers that their nodes have made and not taken back."""


class Offer(Sized, Priced, Stateful):
    """What a node rents out on one runtime, at which price; signed by the node."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        OfferState.LIVE: frozenset({OfferState.LOST, OfferState.WITHDRAWN, OfferState.EXPIRED}),
        OfferState.LOST: frozenset({OfferState.LIVE, OfferState.WITHDRAWN, OfferState.EXPIRED}),
        OfferState.WITHDRAWN: frozenset(),
        OfferState.EXPIRED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="offers")
    state = models.CharField(max_length=12, choices=OfferState.choices, default=OfferState.LIVE)
    runtime = models.CharField(max_length=40)
    properties = models.JSONField(default=dict, blank=True)
    issued_at = models.DateTimeField()
    signature = models.CharField(max_length=132)

    class Meta:
        ordering = ("-issued_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("node", "runtime"),
                condition=Q(state=OfferState.LIVE),
                name="offer_live_once_per_runtime",
            ),
            models.CheckConstraint(
                name="offer_prices_not_negative",
                condition=Q(
                    start_glm__gte=0, cpu_second_glm__gte=0, second_glm__gte=0, egress_gib_glm__gte=0
                ),
            ),
            has_deadline(terminal={OfferState.WITHDRAWN, OfferState.EXPIRED}, name="offer_has_deadline"),
        )

    def __str__(self) -> str:
        return f"{self.runtime} on {self.node_id[:10]}…"

    def price_per_hour_glm(self, cpu_threads: Decimal) -> Decimal:
        return self.price.per_hour_glm(cpu_threads)
