"""What a team is told: levels of money, webhooks, and each mail or request on its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Alert:
    """Told of once when it is crossed, armed again when the money is well above it."""

    id: int
    team: str
    budget: str
    kind: str
    """`used`: percent since the latest top-up; `runway`: hours left at the rate of what runs."""
    level: int
    created_at: datetime
    crossed_at: datetime | None = None
    """When it was told of; None: it is armed."""
    crossings: int = 0


@dataclass(frozen=True)
class Webhook:
    """Told of what the team is told of, by requests signed as Standard Webhooks says."""

    id: str
    team: str
    url: str
    created_at: datetime
    rotated_at: datetime | None = None
    secret: str | None = None
    """`whsec_…`; only of one that was just made or rotated."""


@dataclass(frozen=True)
class DeliveryAttempt:
    at: datetime
    took_ms: int
    status: int | None
    """Of HTTP; None for mails and where no answer came."""
    answer: str


@dataclass(frozen=True)
class Delivery:
    """One notice on its way to one address."""

    id: str
    kind: str
    subject: str
    state: str
    """waiting, delivered or given_up."""
    reason: str
    tries: int
    next_at: datetime
    created_at: datetime
    webhook: str | None = None
    """Its id; None for a mail."""
    address: str = ""
    """Of a mail."""
    deadline_at: datetime | None = None
    attempts: list[DeliveryAttempt] = field(default_factory=list)
