"""Plans: where each replica would go, at which price, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Placement:
    """Where one replica would go; `reason` says why nowhere."""

    replica: str
    node_id: str | None = None
    node_name: str = ""
    price_per_hour_glm: Decimal | None = None
    reason: str = ""
    service: str = ""
    region: str = ""
    """"" when the node names none that is believed."""
    price_per_month_glm: Decimal | None = None
    """Of 730 hours."""
    start_glm: Decimal = Decimal(0)
    """Paid once, when it starts there."""
    nearest: str = ""
    """What would have to give for it to be placed."""
    because: list[str] = field(default_factory=list)
    """Why there and not elsewhere."""
    stays: bool = False
    """It runs there already, and applying leaves it alone."""


@dataclass(frozen=True)
class Risk:
    """`kind` is one_node, one_owner, one_region, reputation, newcomer or region."""

    kind: str
    text: str
    replicas: list[str]


@dataclass(frozen=True)
class Effect:
    """What applying a plan does to the budget, as of `at`. Rates are GLM per hour."""

    at: datetime
    available_glm: Decimal
    held_glm: Decimal
    first_leases_glm: Decimal
    start_glm: Decimal
    rate_before_glm: Decimal
    rate_after_glm: Decimal
    runway_h: Decimal | None = None
    """Hours the money lasts at full price: the budget's, or the cap's where `cap_ends_first`."""
    cap_ends_first: bool = False
    lasts_until: datetime | None = None
    cap_glm: Decimal | None = None
    """What the deployment may take then; None: as much as the budget has."""
    cap_per: str = ""
    cap_left_glm: Decimal | None = None
    at_end: str = ""
    """What becomes of it when its money ends: "stop", "scale-down" or "ask"."""


@dataclass(frozen=True)
class Plan:
    """Valid until `expires_at`; `deployment` is the one it would change, None for a new one."""

    id: str
    team: str
    name: str
    placements: list[Placement]
    price_per_hour_glm: Decimal
    created_at: datetime
    expires_at: datetime
    available_glm: Decimal
    """In the team's budget when the plan was asked for."""
    runway_h: Decimal | None = None
    """Hours that would last at full price."""
    first_leases_glm: Decimal = Decimal(0)
    """What the budget must have for the replicas that find a place to start."""
    deployment: str | None = None
    """What it became; None until it is applied."""
    changes: bool = False
    """Whether there was a deployment of this name when it was drawn up."""
    notes: list[str] = field(default_factory=list)
    """What was left out of the file, and why that does no harm."""
    price_per_month_glm: Decimal = Decimal(0)
    """Of 730 hours."""
    risks: list[Risk] = field(default_factory=list)
    effect: Effect | None = None
    signature: str = ""
    applied_at: datetime | None = None

    @property
    def unplaced(self) -> list[Placement]:
        """Replicas that find no node now."""
        return [placement for placement in self.placements if placement.node_id is None]

    @property
    def is_affordable(self) -> bool:
        """Whether the budget covers the first leases, and the deployment's cap lets it."""
        return self.first_leases_glm <= self.room_glm

    @property
    def room_glm(self) -> Decimal:
        """The least of what the budget and the cap have left."""
        left = self.effect.cap_left_glm if self.effect else None
        return self.available_glm if left is None else min(self.available_glm, left)


@dataclass(frozen=True)
class PlanRow:
    """A plan in a list: see `plans.get` for where each replica would go."""

    id: str
    team: str
    name: str
    replicas: int
    unplaced: int
    """Of them, those that found no node."""
    price_per_hour_glm: Decimal
    created_at: datetime
    expires_at: datetime
    price_per_month_glm: Decimal = Decimal(0)
    """Of 730 hours."""
    deployment: str | None = None
    applied_at: datetime | None = None


@dataclass(frozen=True)
class Proof:
    """Who signed a plan, and what exactly: any Ethereum wallet library can check it."""

    signer: str
    typed_data: dict[str, Any]
    """EIP-712, as wallets take it."""
    content: dict[str, Any]
    """Whose hash is in it."""


@dataclass(frozen=True)
class WholePlan(Plan):
    source: str = ""
    proof: Proof | None = None


@dataclass(frozen=True)
class Agreed:
    """An agreement that a replica worked under."""

    id: str
    node_id: str
    node_name: str
    state: str
    price_per_hour_glm: Decimal
    approved_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class ReplicaPaid:
    """Prices are per hour, with every thread busy."""

    replica: str
    ran_ms: int
    """Billed running time."""
    planned_glm: Decimal
    """What the plan's prices make of that time: the most it said."""
    paid_glm: Decimal
    agreements: list[Agreed]
    planned_price_per_hour_glm: Decimal | None = None
    agreed_price_per_hour_glm: Decimal | None = None


@dataclass(frozen=True)
class PlanPaid:
    """An applied plan beside what was really paid, from its application until the next plan's."""

    since: datetime
    planned_price_per_hour_glm: Decimal
    agreed_price_per_hour_glm: Decimal
    planned_glm: Decimal
    paid_glm: Decimal
    replicas: list[ReplicaPaid]
    until: datetime | None = None
