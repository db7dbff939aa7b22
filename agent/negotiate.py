"""What the Bee answers to proposals and agreements: the owner's rules and prices, as plain functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agent import clock
from agent.conceding import asked_in
from agent.config import Rent
from agent.pricing import Pricing, why_below
from agent.protocol import (
    ROUNDS,
    AgreementToSign,
    Answer,
    Assignment,
    Offer,
    Price,
    Proposal,
    Terms,
    Verdict,
)
from agent.rules import permits
from agent.rules.judge import Judge

MAX_AGREEMENT_DAYS = 90
_DAY_MS = 24 * 3600 * 1000
_SIZES = {
    "cpu_threads": "CPU threads",
    "mem_gib": "GiB of memory",
    "storage_gib": "GiB of storage",
    "gpus": "GPUs",
}
"""What terms and workloads say of their size, and how people are told."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the Bee knows when it is asked."""

    node_id: str
    queen: str
    rent: Rent
    judge: Judge
    pricing: Pricing
    runtimes: Collection[str]
    offers: Mapping[str, Offer]
    """By id: those made in this life and not run out."""
    promised: Collection[str]
    """Ids of the offers whose price still holds, though the owner may ask for more by now."""
    signed: Collection[Terms]
    """Agreements in force."""
    at: datetime
    """The owner's local time, by this machine's own clock: the Queen's word moves nobody's night."""


def answer_proposal(proposal: Proposal, standing: Standing, now_ms: int) -> Answer:
    """Not binding: accepted, countered with what is asked in this round, or rejected with the reason."""
    id, terms = proposal.proposal_id, proposal.terms
    if why_not := objection(terms, standing, now_ms):
        return Answer(verdict=Verdict.REJECTED, proposal_id=id, reason=why_not)
    asked = asked_in(proposal.round, asked=standing.pricing.asked, lowest=standing.pricing.lowest)
    too_low = why_too_low(terms, asked, standing)
    if not too_low:
        return Answer(verdict=Verdict.ACCEPTED, proposal_id=id)
    if proposal.round >= ROUNDS:
        return Answer(verdict=Verdict.REJECTED, proposal_id=id, reason=too_low)
    return Answer(verdict=Verdict.COUNTERED, proposal_id=id, counter_price=asked, reason=too_low)


def objection_to_agreement(asked: AgreementToSign, standing: Standing, now_ms: int) -> str:
    """Why the Bee would not sign; empty when it would. The Queen's signature is checked elsewhere."""
    terms = asked.terms
    if terms.requestor != standing.queen:
        return f"its requestor is {terms.requestor}, not the queen of this link"
    return objection(terms, standing, now_ms) or why_too_low(terms, standing.pricing.lowest, standing)


def objection(terms: Terms, standing: Standing, now_ms: int) -> str:
    """Why the owner's rules or the machine forbid it, price aside; empty when nothing does."""
    offer = standing.offers.get(terms.offer_id)
    if terms.provider != standing.node_id:
        return f"its provider is {terms.provider}, not this bee"
    if offer is None or offer.runtime != terms.runtime:
        return "its offer is not one of this bee's, or no longer"
    if terms.runtime not in standing.runtimes:
        return f"runtime {terms.runtime} does not work here now"
    if why_not := standing.judge.objection(
        runtime=terms.runtime, image=terms.image, team=terms.team, at=standing.at
    ):
        return why_not
    if terms.expires_at_ms <= now_ms:
        return "it has run out already"
    if terms.expires_at_ms - terms.valid_from_ms > MAX_AGREEMENT_DAYS * _DAY_MS:
        return f"it is longer than {MAX_AGREEMENT_DAYS} days"
    return _lack(terms, standing)


def why_too_low(terms: Terms, least: Price, standing: Standing) -> str:
    """Why the owner would not for this price; empty for what an offer promised a moment ago."""
    offer = standing.offers.get(terms.offer_id) if terms.offer_id in standing.promised else None
    if offer and not why_below(terms.price, offer.price, terms.cpu_threads):
        return ""
    return why_below(terms.price, least, terms.cpu_threads)


def objection_to_assignment(
    assignment: Assignment,
    agreements: Mapping[str, Terms],
    runtimes: Collection[str],
    judge: Judge,
    at: datetime,
) -> str:
    """Why the Bee would not run it: nothing runs without a signed agreement that covers it, and nothing that
    the owner's rules, which may have changed since it was signed, don't allow now. `at` as in `Standing`.
    """
    terms, workload = agreements.get(assignment.agreement_id), assignment.workload
    if terms is None:
        return f"this bee has signed no agreement {assignment.agreement_id}"
    if (workload.runtime, workload.image) != (terms.runtime, terms.image):
        agreed, asked = f"{terms.image} on {terms.runtime}", f"{workload.image} on {workload.runtime}"
        return f"the agreement is for {agreed}, not {asked}"
    if any(getattr(workload, name) > getattr(terms, name) for name in _SIZES):
        return "it asks for more than the agreement gives"
    if workload.runtime not in runtimes:
        return f"runtime {workload.runtime} does not work here now"
    if why_not := permits.objection(workload, node_id=terms.provider):
        return why_not
    return judge.objection(runtime=workload.runtime, image=workload.image, team=terms.team, at=at)


def local_time() -> datetime:
    """In which the owner's hours are written."""
    return datetime.fromtimestamp(clock.wall_ms() / 1000)


def _lack(terms: Terms, standing: Standing) -> str:
    """The runtimes share one machine: what is rented out on all of them is held against what is for rent."""
    rent, offer = standing.rent, standing.offers.get(terms.offer_id)
    for_rent = (rent.threads, rent.mem_gib, rent.storage_gib, Decimal(rent.gpus))
    others = [each for each in standing.signed if each.agreement_id != terms.agreement_id]
    for (name, words), whole in zip(_SIZES.items(), for_rent, strict=True):
        asked = Decimal(getattr(terms, name))
        free = max(whole - sum((Decimal(getattr(each, name)) for each in others), Decimal(0)), Decimal(0))
        if asked > free:
            return f"{asked:f} {words} are asked, {free:f} are free"
    if offer and terms.gpus > offer.gpus:
        return f"{terms.gpus} GPUs are asked, {offer.gpus} are offered on {offer.runtime}"
    return ""
