"""Disputes: debit notes that ask for more than was rated, and what was said about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class DisputeMessage:
    id: int
    side: str
    """`owner` or `operator`."""
    author: str
    text: str
    figure_glm: Decimal | None
    """What the Hive offered with it, in all."""
    at: datetime


@dataclass(frozen=True)
class Dispute:
    """In GLM, of all that the agreement brought up to the note's report."""

    id: str
    agreement: str
    node: str
    note_sequence: int
    final: bool
    """The note is the invoice."""
    state: str
    reason: str
    deadline_at: datetime | None
    opened_at: datetime
    asked_glm: Decimal
    rated_glm: Decimal
    granted_glm: Decimal
    hive_glm: Decimal
    """The Hive's figure."""
    open_glm: Decimal
    """The difference; what is not paid, once it is over."""
    messages: list[DisputeMessage] | None = None
    """Only of one that was asked for by itself."""
