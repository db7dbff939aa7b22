"""What runs: deployments, their services and replicas, logs and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hive_client.nouns.money import Runway


@dataclass(frozen=True)
class Service:
    name: str
    image: str
    replicas_wanted: int
    replicas_healthy: int
    replicas_failed: int = 0
    """Given up: they won't become healthy by waiting."""
    url: str | None = None
    replicas_taken: int = 0
    """Let go for want of money: they come back by themselves once they are funded again."""
    taken_at: datetime | None = None
    taken_by: str = ""
    """As in its events."""


@dataclass(frozen=True)
class Cap:
    """What a deployment may take of its team's budget, and how its money stands."""

    used_glm: Decimal
    """Held and spent, in this period."""
    per: str
    """"in all" or "month"."""
    at_end: str
    """"stop", "scale-down" or "ask"."""
    state: str
    """"funded", or "asked", "ending", "ended"."""
    reason: str = ""
    limit_glm: Decimal | None = None
    """None: as much as the budget has."""
    left_glm: Decimal | None = None
    needed_glm: Decimal = Decimal(0)
    """While it is short: what one more lease of everything takes; while replicas are let go for want of
    money: what must be left of it for the next of them to come back. Its budget must have `beside_glm` more
    available."""
    beside_glm: Decimal = Decimal(0)
    """While replicas are let go for want of money: what others of its budget need, which comes first."""
    deadline_at: datetime | None = None
    at_end_is_its_own: bool = False
    short_of: str | None = None
    """While it is short: whose room is too small: "cap", "budget" or "both"."""


@dataclass(frozen=True)
class Deployment:
    """`status` is derived from the replicas; `reason` says what it waits for or why it failed."""

    id: str
    name: str
    team: str
    wanted: str
    status: str
    reason: str
    services: list[Service]
    price_per_hour_glm: Decimal
    created_at: datetime
    cap: Cap | None = None
    budget: int | None = None
    """Its id."""
    runway: Runway | None = None
    """Of its budget, or of its cap where that ends sooner."""

    @property
    def url(self) -> str | None:
        """Of its first service that has one, whether it answers yet or not."""
        return next((service.url for service in self.services if service.url), None)

    @property
    def answers_at(self) -> list[str]:
        """Addresses behind which at least one replica is healthy."""
        return [service.url for service in self.services if service.url and service.replicas_healthy]


@dataclass(frozen=True)
class Replica:
    name: str
    service: str
    generation: int
    state: str
    reason: str
    state_since: datetime
    retry_at: datetime | None = None
    deadline_at: datetime | None = None
    node_id: str | None = None
    node_name: str = ""
    agreement: str | None = None
    price_per_hour_glm: Decimal | None = None
    lease_until: datetime | None = None
    endpoint: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class Log:
    """The last lines of what a replica wrote, as its Bee had them when they were asked for."""

    replica: str
    generation: int
    node_id: str
    node_name: str
    text: str
    mark: str = ""
    """Where it ends, for who follows."""


@dataclass(frozen=True)
class Event:
    """One line of the audit trail."""

    at: datetime
    noun: str
    label: str
    before: str
    after: str
    actor: str
    reason: str
