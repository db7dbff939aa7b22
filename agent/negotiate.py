"""What the Bee answers to proposals and agreements: the owner's rules and prices, as plain functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from agent.config import Config
from agent.protocol import AgreementToSign, Answer, Assignment, Offer, Price, Proposal, Terms, Verdict

ROUNDS = 5
"""A bargain that takes longer is refused."""
MAX_AGREEMENT_DAYS = 90
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """What the Bee knows when it is asked."""

    node_id: str
    queen: str
    config: Config
    runtimes: Collection[str]
    offers: Mapping[str, Offer]
    """By id: those made in this life and not run out."""
    signed: Collection[Terms]
    """Agreements in force."""


def answer_proposal(proposal: Proposal, standing: Standing, now_ms: int) -> Answer:
    """Not binding: accepted, countered with the owner's lowest price, or rejected with the reason."""
    terms = proposal.terms
    if why_not := objection(terms, standing, now_ms):
        return Answer(verdict=Verdict.REJECTED, proposal_id=proposal.proposal_id, reason=why_not)
    too_low = below_lowest(terms, standing.config)
    if not too_low:
        return Answer(verdict=Verdict.ACCEPTED, proposal_id=proposal.proposal_id)
    if proposal.round >= ROUNDS:
        return Answer(verdict=Verdict.REJECTED, proposal_id=proposal.proposal_id, reason=too_low)
    return Answer(
        verdict=Verdict.COUNTERED,
        proposal_id=proposal.proposal_id,
        counter_price=standing.config.prices.lowest,
        reason=too_low,
    )


def objection_to_agreement(asked: AgreementToSign, standing: Standing, now_ms: int) -> str:
    """Why the Bee would not sign; empty when it would. The Queen's signature is checked elsewhere."""
    terms = asked.terms
    if terms.requestor != standing.queen:
        return f"its requestor is {terms.requestor}, not the queen of this link"
    return objection(terms, standing, now_ms) or below_lowest(terms, standing.config)


def objection(terms: Terms, standing: Standing, now_ms: int) -> str:
    """Why the owner's rules or the machine forbid it, price aside; empty when nothing does."""
    offer = standing.offers.get(terms.offer_id)
    if terms.provider != standing.node_id:
        return f"its provider is {terms.provider}, not this bee"
    if offer is None or offer.runtime != terms.runtime:
        return "its offer is not one of this bee's, or no longer"
    if terms.runtime not in standing.runtimes:
        return f"runtime {terms.runtime} does not work here now"
    if not standing.config.rules.allows_image(terms.image):
        return f"the owner's rules don't allow image {terms.image}"
    if terms.expires_at_ms <= now_ms:
        return "it has run out already"
    if terms.expires_at_ms - terms.valid_from_ms > MAX_AGREEMENT_DAYS * _DAY_MS:
        return f"it is longer than {MAX_AGREEMENT_DAYS} days"
    return _lack(terms, standing)


def below_lowest(terms: Terms, config: Config) -> str:
    """Compared as a whole and by its parts that have no hour, since a bargain may shift between the parts."""
    lowest, offered = config.prices.lowest, terms.price
    least, given = _hour(lowest, terms.cpu_threads), _hour(offered, terms.cpu_threads)
    if given < least:
        return f"{given:f} GLM an hour is below the owner's {least:f}"
    if offered.start_glm < lowest.start_glm:
        return f"a start price of {offered.start_glm:f} GLM is below the owner's {lowest.start_glm:f}"
    if offered.egress_gib_glm < lowest.egress_gib_glm:
        return f"{offered.egress_gib_glm:f} GLM per GiB is below the owner's {lowest.egress_gib_glm:f}"
    return ""


def objection_to_assignment(
    assignment: Assignment, agreements: Mapping[str, Terms], runtimes: Collection[str]
) -> str:
    """Why the Bee would not run it: nothing runs without a signed agreement that covers it."""
    terms, workload = agreements.get(assignment.agreement_id), assignment.workload
    if terms is None:
        return f"this bee has signed no agreement {assignment.agreement_id}"
    if (workload.runtime, workload.image) != (terms.runtime, terms.image):
        agreed, asked = f"{terms.image} on {terms.runtime}", f"{workload.image} on {workload.runtime}"
        return f"the agreement is for {agreed}, not {asked}"
    if workload.cpu_threads > terms.cpu_threads or workload.mem_gib > terms.mem_gib:
        return "it asks for more than the agreement gives"
    if workload.runtime not in runtimes:
        return f"runtime {workload.runtime} does not work here now"
    return ""


def _lack(terms: Terms, standing: Standing) -> str:
    """The runtimes share one machine: what is rented out on all of them is held against what is for rent."""
    others = [each for each in standing.signed if each.agreement_id != terms.agreement_id]
    rent = standing.config.rent
    free_threads = rent.threads - sum((each.cpu_threads for each in others), Decimal(0))
    free_gib = rent.mem_gib - sum((each.mem_gib for each in others), Decimal(0))
    if terms.cpu_threads > free_threads:
        return f"{terms.cpu_threads:f} CPU threads are asked, {free_threads:f} are free"
    if terms.mem_gib > free_gib:
        return f"{terms.mem_gib:f} GiB of memory are asked, {free_gib:f} are free"
    return ""


def _hour(price: Price, threads: Decimal) -> Decimal:
    amount = price.per_hour_glm(threads)
    return amount.normalize() if amount else Decimal(0)
