"""Who one is: memberships, tokens, application keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class Membership:
    slug: str
    name: str
    role: str


@dataclass(frozen=True)
class Token:
    id: int
    name: str
    hint: str
    team: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    is_limited: bool = False
    """An application key: see `Key`."""
    token: str | None = None
    """The secret; only in the answer that made it."""


@dataclass(frozen=True)
class Key:
    """An application key. An empty list allows all; a limit of None is none. For amounts see docs/keys.md."""

    id: int
    name: str
    hint: str
    team: str
    state: str
    """issued, expired or revoked."""
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    providers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    signers: list[str] = field(default_factory=list)
    limit_glm: Decimal | None = None
    limit_per_day_glm: Decimal | None = None
    limit_per_hour_glm: Decimal | None = None
    requests_per_minute: int | None = None
    in_words: str = ""
    """What it may, for people."""
    spent_glm: Decimal = Decimal(0)
    """In all, with what is held for leases, as `spent_today_glm`."""
    spent_today_glm: Decimal = Decimal(0)
    held_glm: Decimal = Decimal(0)
    per_hour_glm: Decimal = Decimal(0)
    """What runs under it costs an hour."""
    deployments: list[str] = field(default_factory=list)
    """Applied with it last."""
    key: str | None = None
    """The secret; only in the answer that made it."""


@dataclass(frozen=True)
class Me:
    user: str
    teams: list[Membership]
    token: Token | None = None
