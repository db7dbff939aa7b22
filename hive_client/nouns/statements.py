"""A month's statement of a budget, and whom a team's invoices are made out to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class StatementEntry:
    """`amount_glm` is above zero for what came in, below for what went out."""

    at: datetime
    kind: str
    label: str
    about: str
    amount_glm: Decimal
    balance_glm: Decimal
    """After it."""
    reference: str = ""
    """As the ledger has it."""
    address: str = ""
    """The wallet it came from or went to; empty where there is none."""
    tx_hash: str = ""
    """The chain's transaction; empty where there is none, or none yet."""


@dataclass(frozen=True)
class Statement:
    """All that moved a budget's money from `start` until `end`, which is not included."""

    team: str
    budget: int
    name: str
    start: datetime
    end: datetime
    opening_glm: Decimal
    came_in_glm: Decimal
    went_out_glm: Decimal
    closing_glm: Decimal
    closing_label: str = "Closing balance"
    """For people; while the month runs it is a balance so far, and says when that was."""
    is_over: bool = True
    entries: list[StatementEntry] = field(default_factory=list)


@dataclass(frozen=True)
class BillingDetails:
    """Empty texts: the team's own name, and its owners' addresses. Taxes are the operator's to set."""

    team: str
    name: str
    address: str
    tax_id: str
    email: str
    taxes: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""
    is_monthly: bool = True
