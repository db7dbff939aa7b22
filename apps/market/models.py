"""Negotiation in Golem's terms: a Demand meets Offers; Proposals end in an Agreement signed by both sides."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agent.protocol import Terms
from apps.market.clouds.prices import CloudPrice as CloudPrice
from apps.market.clouds.prices import GlmRate as GlmRate
from apps.market.history.points import PricePoint as PricePoint
from apps.market.keys.policy import KeyPolicy as KeyPolicy
from apps.market.reputation.records import FactKind as FactKind
from apps.market.reputation.records import NodeReputation as NodeReputation
from apps.market.reputation.records import ReputationFact as ReputationFact
from apps.money import GlmField, Priced
from apps.nodes.models import Node, Offer
from apps.nodes.sizes import Sized, memory
from apps.teams.models import Team
from apps.teams.states import Stateful, has_deadline


class Strategy(models.TextChoices):
    CHEAPEST = "cheapest", "Cheapest"
    """The lowest price per hour; ties go to the node that has been silent the least."""
    BEST_VALUE = "best_value", "Best value"
    """The lowest price for the work done, by the node's CPU benchmark; nodes without one come last."""
    SPREAD = "spread", "Spread"
    """As many different owners and regions as there are; among equals the lowest price."""
    NEAREST = "nearest", "Nearest"
    """The shortest round trip; among equals the lowest price."""


class Spread(models.TextChoices):
    NODE = "node", "Node"
    """No two of a group on one node."""
    OWNER = "owner", "Owner"
    """No two of a group on nodes of one owner."""
    REGION = "region", "Region"
    """No two of a group in one region."""


class DemandState(models.TextChoices):
    OPEN = "open", "Open"
    """Looking for an offer; `reason` says what is missing, `retry_at` when it looks again."""
    NEGOTIATING = "negotiating", "Negotiating"
    """A proposal or an agreement lies with a Bee."""
    AGREED = "agreed", "Agreed"
    """An agreement is signed by both sides."""
    FAILED = "failed", "Failed"
    """Its deadline passed, or nothing could ever meet it."""
    CANCELLED = "cancelled", "Cancelled"
    """Withdrawn by whoever asked."""


class Demand(Sized, Stateful):
    """What somebody wants to rent: resources, runtime, image, and the most they would pay."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        DemandState.OPEN: frozenset({DemandState.NEGOTIATING, DemandState.FAILED, DemandState.CANCELLED}),
        DemandState.NEGOTIATING: frozenset(
            {DemandState.OPEN, DemandState.AGREED, DemandState.FAILED, DemandState.CANCELLED}
        ),
        DemandState.AGREED: frozenset(),
        DemandState.FAILED: frozenset(),
        DemandState.CANCELLED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="demands")
    reference = models.CharField(
        max_length=80, unique=True, help_text="Who asks, in their own words; opaque to the market."
    )
    state = models.CharField(max_length=12, choices=DemandState.choices, default=DemandState.OPEN)
    retry_at = models.DateTimeField(default=timezone.now)
    runtimes = models.JSONField(default=list, help_text="Acceptable runtimes, best first.")
    image = models.CharField(max_length=300)
    max_price_per_hour_glm = GlmField(null=True, blank=True)
    max_start_glm = GlmField(null=True, blank=True)
    max_egress_gib_glm = GlmField(null=True, blank=True)
    benchmarks = models.JSONField(
        default=dict, blank=True, help_text="What a node must have measured of itself: see speed.MARKS."
    )
    strategy = models.CharField(max_length=12, choices=Strategy.choices, default=Strategy.CHEAPEST)
    constraints = models.TextField(blank=True, help_text="A filter over an offer's properties.")
    regions = models.JSONField(default=list, blank=True, help_text="Acceptable regions, as patterns.")
    avoid_nodes = models.JSONField(default=list, help_text="Node ids to stay away from while others serve.")
    allowed_nodes = models.JSONField(
        null=True, blank=True, help_text="Node ids that alone may serve; null: all may."
    )
    spread_group = models.CharField(
        max_length=80,
        blank=True,
        db_index=True,
        help_text="Demands of one group are spread as far as nodes go.",
    )
    spread = models.CharField(max_length=12, choices=Spread.choices, default=Spread.NODE)
    spread_required = models.BooleanField(default=False, help_text="Rather wait than share.")
    affinity = models.JSONField(
        default=dict, blank=True, help_text="Beside which group: {group, by, required}; see needs.Affinity."
    )
    planned_offer = models.ForeignKey(
        Offer,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Where the applied plan put it: taken first while it still fits.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            has_deadline(
                terminal={DemandState.AGREED, DemandState.FAILED, DemandState.CANCELLED},
                name="demand_has_deadline",
            ),
            models.CheckConstraint(
                name="demand_asks_for_something", condition=Q(cpu_threads__gt=0, mem_gib__gt=0)
            ),
        )

    def __str__(self) -> str:
        return f"{self.cpu_threads.normalize():f} CPU, {memory(self.mem_gib)} for {self.reference}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id


class ProposalState(models.TextChoices):
    SENT = "sent", "Sent"
    """Lies with the Bee."""
    ACCEPTED = "accepted", "Accepted"
    """The Bee would; an agreement follows."""
    COUNTERED = "countered", "Countered"
    """The other side names another price, and so the next round begins."""
    REJECTED = "rejected", "Rejected"
    """The other side would not, and says why."""
    EXPIRED = "expired", "Expired"
    """No answer in time."""


class Issuer(models.TextChoices):
    QUEEN = "queen", "Queen"
    """A bid."""
    BEE = "bee", "Bee"
    """What is asked, in answer to a bid."""


class Proposal(Priced, Stateful):
    """Half a round of a negotiation, a bid or the answer to it: at this price? Binds nobody."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        ProposalState.SENT: frozenset(
            {ProposalState.ACCEPTED, ProposalState.COUNTERED, ProposalState.REJECTED, ProposalState.EXPIRED}
        ),
        ProposalState.ACCEPTED: frozenset(),
        ProposalState.COUNTERED: frozenset(),
        ProposalState.REJECTED: frozenset(),
        ProposalState.EXPIRED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    demand = models.ForeignKey(Demand, on_delete=models.CASCADE, related_name="proposals")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="proposals")
    state = models.CharField(max_length=12, choices=ProposalState.choices, default=ProposalState.SENT)
    issuer = models.CharField(max_length=8, choices=Issuer.choices, default=Issuer.QUEEN)
    round = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            has_deadline(
                terminal=set(ProposalState.values) - {ProposalState.SENT},
                name="proposal_has_deadline",
            ),
        )

    def __str__(self) -> str:
        return f"round {self.round} with {self.offer}"

    @property
    def audit_team_id(self) -> int:
        return self.demand.team_id


class AgreementState(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    """Signed by the Queen, lying with the Bee; capacity is claimed."""
    APPROVED = "approved", "Approved"
    """Signed by both: usage may be billed on it."""
    REJECTED = "rejected", "Rejected"
    """The Bee would not sign; capacity is free again."""
    EXPIRED = "expired", "Expired"
    """Not signed in time, or run out; capacity is free again."""
    TERMINATED = "terminated", "Terminated"
    """Ended by one side, with a reason; capacity is free again."""


IN_FORCE = frozenset({AgreementState.PROPOSED, AgreementState.APPROVED})
"""Agreements that claim capacity."""


class Agreement(Sized, Priced, Stateful):
    """A contract between the Queen and a node; both signatures are over the same EIP-712 `Agreement`."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        AgreementState.PROPOSED: frozenset(
            {
                AgreementState.APPROVED,
                AgreementState.REJECTED,
                AgreementState.EXPIRED,
                AgreementState.TERMINATED,
            }
        ),
        AgreementState.APPROVED: frozenset({AgreementState.TERMINATED, AgreementState.EXPIRED}),
        AgreementState.REJECTED: frozenset(),
        AgreementState.EXPIRED: frozenset(),
        AgreementState.TERMINATED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    demand = models.ForeignKey(Demand, on_delete=models.PROTECT, related_name="agreements")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="agreements")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="agreements")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="agreements")
    state = models.CharField(max_length=12, choices=AgreementState.choices, default=AgreementState.PROPOSED)
    requestor = models.CharField(max_length=42, help_text="The Queen's address.")
    runtime = models.CharField(max_length=40)
    image = models.CharField(max_length=300)
    because = models.JSONField(
        default=list, blank=True, help_text="Why this offer was chosen over others, in sentences."
    )
    valid_from = models.DateTimeField()
    expires_at = models.DateTimeField()
    requestor_signature = models.CharField(max_length=132)
    provider_signature = models.CharField(max_length=132, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("demand",),
                condition=Q(state__in=["proposed", "approved"]),
                name="agreement_one_in_force_per_demand",
            ),
            models.CheckConstraint(
                name="agreement_approved_is_signed",
                condition=~Q(state="approved") | ~Q(provider_signature=""),
            ),
            has_deadline(
                terminal={AgreementState.REJECTED, AgreementState.EXPIRED, AgreementState.TERMINATED},
                name="agreement_has_deadline",
            ),
        )

    def __str__(self) -> str:
        return f"agreement with {self.node.name}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id

    @property
    def price_per_hour_glm(self) -> Decimal:
        return self.price.per_hour_glm(self.cpu_threads)

    @property
    def terms(self) -> Terms:
        """What both sides sign."""
        return Terms(
            agreement_id=str(self.id),
            requestor=self.requestor,
            provider=self.node_id,
            offer_id=str(self.offer_id),
            runtime=self.runtime,
            image=self.image,
            cpu_threads=self.cpu_threads,
            mem_gib=self.mem_gib,
            storage_gib=self.storage_gib,
            gpus=self.gpus,
            price=self.price,
            valid_from_ms=int(self.valid_from.timestamp() * 1000),
            expires_at_ms=int(self.expires_at.timestamp() * 1000),
            team=self.team.slug,
        )
