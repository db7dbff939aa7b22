"""Money: agreements, usage, budgets, invoices, wallets, withdrawals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Agreement:
    id: str
    node: str
    state: str
    reason: str
    runtime: str
    image: str
    cpu_threads: Decimal
    mem_gib: Decimal
    price_per_hour_glm: Decimal
    valid_from: datetime
    expires_at: datetime
    requestor_signature: str
    provider_signature: str
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    storage_gib: Decimal = Decimal(0)
    gpus: int = 0
    because: list[str] = field(default_factory=list)
    """Why this offer was chosen over others."""


@dataclass(frozen=True)
class CreditNote:
    """A part of an invoice that was taken back."""

    number: str
    reason: str
    net_glm: Decimal
    tax_glm: Decimal
    total_glm: Decimal
    issued_at: datetime


@dataclass(frozen=True)
class Invoice:
    """A snapshot. `lines` are as the Hive keeps them: one per agreement. What was used is prepaid."""

    id: str
    number: str
    team: str
    period_start: datetime
    period_end: datetime
    total_glm: Decimal
    issued_at: datetime
    lines: list[dict[str, Any]] = field(default_factory=list)
    state: str = "paid"
    """issued, overdue or paid."""
    reason: str = ""
    net_glm: Decimal = Decimal(0)
    """What was used."""
    taxes: list[dict[str, str]] = field(default_factory=list)
    tax_glm: Decimal = Decimal(0)
    due_glm: Decimal = Decimal(0)
    """Still to be paid, by `due_at`."""
    due_at: datetime | None = None
    credit_notes: list[CreditNote] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Wallet:
    address: str
    created_at: datetime
    is_proven: bool = False
    """Its key signed that it is the team's; if not, an operator registered it."""


@dataclass(frozen=True)
class WalletMessage:
    """What a wallet is to sign, word for word, before `expires_at` (EIP-4361)."""

    address: str
    nonce: str
    message: str
    expires_at: datetime


@dataclass(frozen=True)
class Withdrawal:
    """`state`: requested, confirmed, paid, failed, cancelled or expired."""

    id: str
    team: str
    recipient: str
    amount_glm: Decimal
    state: str
    reason: str
    state_since: datetime
    created_at: datetime
    deadline_at: datetime | None = None
    tx_hash: str | None = None
    """Once it is confirmed."""


@dataclass(frozen=True)
class PaymentRequest:
    amount_glm: Decimal
    chain_id: int
    token: str
    recipient: str
    link: str
    """EIP-681: opens a wallet with all of it filled in."""
    qr_rows: list[str]
    """The link as a QR code, a text of 0 and 1 per row: 1 is dark."""


@dataclass(frozen=True)
class Runway:
    """How long a budget lasts at the rate of what runs now; what is held counts."""

    per_hour_glm: Decimal
    in_words: str
    lasts_s: float | None = None
    """None while nothing is spent."""
    lasts_until: datetime | None = None
    """None while nothing is spent, and beyond a year."""


@dataclass(frozen=True)
class Budget:
    id: int
    team: str
    name: str
    available_glm: Decimal
    held_glm: Decimal
    spent_glm: Decimal
    wallets: list[Wallet]
    deposit: dict[str, Any]
    """Where to send GLM from a wallet of the team: `chain_id`, `token`, `recipient`."""
    runway: Runway | None = None
    credit_limit_glm: Decimal = Decimal(0)
    """How much of what is available is lent."""
    owed_glm: Decimal = Decimal(0)
    at_end: str = "ask"
    """What becomes of what runs when its money ends: "stop", "scale-down" or "ask"."""


@dataclass(frozen=True)
class Usage:
    """One metering interval: as the Bee reported it, and as it was billed."""

    agreement: str
    sequence: int
    state: str
    started_at_ms: int
    ended_at_ms: int
    running_ms: int
    cpu_ms: int
    egress_bytes: int
    billed_running_ms: int | None = None
    billed_cpu_ms: int | None = None
    billed_egress_bytes: int | None = None
    cost_glm: Decimal | None = None
    reduced_because: str = ""
