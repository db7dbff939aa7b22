"""What the Queen asks of an offer, and what the Bee answers, until both have signed an agreement."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from agent.price import Price
from agent.protocol.base import Count, Message, Millis, Part

ROUNDS = 5
"""Bids in one bargain; the last says the most, and its answer the least. See `agent/conceding.py`."""


class Terms(Part):
    """What an agreement is about; both sides sign it as EIP-712 `Agreement`."""

    agreement_id: str
    requestor: str
    provider: str
    offer_id: str
    runtime: str
    image: str
    cpu_threads: Decimal
    mem_gib: Decimal
    price: Price
    valid_from_ms: Millis
    expires_at_ms: Millis
    team: str = ""
    """Short name of the team for which the requestor rents: the owner's rules may name teams."""
    storage_gib: Decimal = Decimal(0)
    """Nought: as much as the owner lets any replica write, of which nothing is kept free for it."""
    gpus: Annotated[int, Meta(ge=0, le=1024)] = 0


class Proposal(Part):
    """A question to the Bee: would you at this price? Answered, not binding."""

    proposal_id: str
    round: Count
    terms: Terms


class AgreementToSign(Part):
    terms: Terms
    requestor_signature: str


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    COUNTERED = "countered"
    REJECTED = "rejected"


class Answer(Part):
    """To a proposal (`proposal_id`) or to an agreement to sign (`agreement_id`, signed when accepted)."""

    verdict: Verdict
    proposal_id: str | None = None
    agreement_id: str | None = None
    signature: str | None = None
    counter_price: Price | None = None
    reason: str = ""


class Answers(Message):
    answers: list[Answer]
