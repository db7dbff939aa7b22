"""Bids put before nodes, and what becomes of them: a bargain's rounds, settled for many demands at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agent.protocol import Answer, Price, Verdict
from apps.market.models import Demand, DemandState, Issuer, Proposal, ProposalState
from apps.market.negotiating.agreements import MARKET, locked_in, negotiate_soon
from apps.market.negotiating.bargaining import SHUN_S, leads_nowhere
from apps.market.negotiating.decide import Propose
from apps.market.reputation.dealing import note_silences
from apps.market.words import six_digits
from apps.money import price_columns
from apps.nodes.links import nudge
from apps.nodes.models import Offer
from apps.nodes.offers import fault_of_price
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import Move, move_each

# -- out --------------------------------------------------------------------------------------------------


@transaction.atomic
def send_bids(bids: Mapping[UUID, Propose], *, now: datetime) -> None:
    """By demand. What is no longer open is passed over."""
    demands = locked_in(DemandState.OPEN, bids)
    offers = Offer.objects.in_bulk([bids[pk].choice.offer.id for pk in demands])
    proposals = [
        _proposal(demand, bids[pk], offers[bids[pk].choice.offer.id], now=now)
        for pk, demand in demands.items()
    ]
    move_each(
        [
            Move(
                row=one.demand,
                state=DemandState.NEGOTIATING,
                actor=MARKET,
                reason=one.reason,
                deadline_at=one.demand.deadline_at,
            )
            for one in proposals
        ]
    )
    Proposal.objects.bulk_create(proposals)
    AuditLine.objects.bulk_create(
        AuditLine.draft(one, before="", after=one.state, actor=MARKET, reason=one.reason) for one in proposals
    )
    nudge(*(one.offer.node_id for one in proposals))


def _proposal(demand: Demand, bid: Propose, offer: Offer, *, now: datetime) -> Proposal:
    bidden = six_digits(bid.price.per_hour_glm(demand.cpu_threads))
    return Proposal(
        demand=demand,
        offer=offer,
        round=bid.round,
        reason=f"bids {bidden} GLM/h to bee {offer.node_id[:10]}…, round {bid.round}",
        **price_columns(bid.price),
        deadline_at=now + timedelta(seconds=settings.HIVE_PROPOSAL_TIMEOUT_S),
    )


# -- back -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of a bid."""

    state: str
    reason: str
    counter: Proposal | None = None
    """What its Bee asks instead, with our answer to it as its state."""


def take_replies(replies: Collection[tuple[Proposal, Answer]]) -> set[UUID]:
    """What nodes said to bids that lay with them. Returns the demands that were moved."""
    before = _asks_before([one for one, answer in replies if answer.verdict == Verdict.COUNTERED])
    return _settle({one: reply_to(one, answer, before[one.pk]) for one, answer in replies})


def expire_late_bids() -> None:
    late = Proposal.objects.filter(state=ProposalState.SENT, deadline_at__lte=timezone.now())
    silent = list(late.select_related("demand", "offer"))
    expired = _settle(
        {one: Reply(ProposalState.EXPIRED, "gave no answer in time") for one in silent}, actor=MARKET
    )
    # By the first that each node left unanswered.
    silent.sort(key=lambda one: one.created_at, reverse=True)
    note_silences({one.offer.node_id: one.created_at for one in silent if one.demand_id in expired})


def reply_to(proposal: Proposal, answer: Answer, asks_before: Collection[Decimal]) -> Reply:
    """`asks_before`: what its Bee named per hour in the rounds before this one."""
    if answer.verdict == Verdict.ACCEPTED:
        return Reply(ProposalState.ACCEPTED, "would at this price")
    price = answer.counter_price
    if answer.verdict == Verdict.REJECTED or price is None:
        return Reply(ProposalState.REJECTED, answer.reason or "would not at this price")
    if fault := fault_of_price(price) or _bait(price, proposal.offer.price):
        return Reply(ProposalState.REJECTED, f"counter-proposal: {fault}")
    state, reason = _to_counter(proposal, price, asks_before)
    counter = Proposal(
        demand=proposal.demand,
        offer=proposal.offer,
        issuer=Issuer.BEE,
        round=proposal.round,
        state=state,
        reason=reason,
        **price_columns(price),
    )
    return Reply(ProposalState.COUNTERED, reason, counter)


def _bait(asked: Price, offered: Price) -> str:
    """A bargain is about the rate: what it costs to begin and to send may only fall."""
    if asked.start_glm > offered.start_glm:
        asks, offers = six_digits(asked.start_glm), six_digits(offered.start_glm)
        return f"asks {asks} GLM to begin with, its offer {offers}"
    if asked.egress_gib_glm > offered.egress_gib_glm:
        asks, offers = six_digits(asked.egress_gib_glm), six_digits(offered.egress_gib_glm)
        return f"asks {asks} GLM a GiB sent, its offer {offers}"
    return ""


def _to_counter(proposal: Proposal, price: Price, asks_before: Collection[Decimal]) -> tuple[str, str]:
    """Whether what a Bee asks is taken, goes into the next round or ends the bargain; with the words."""
    limit, threads = proposal.demand.max_price_per_hour_glm, proposal.demand.cpu_threads
    asked = price.per_hour_glm(threads)
    words = f"asks {six_digits(asked)} GLM/h"
    if limit is None or asked <= limit:
        return ProposalState.ACCEPTED, words
    above = f"{words}, above the limit"  # which is not for the owner of the Bee, who reads this too
    offered = proposal.offer.price.per_hour_glm(threads)
    if leads_nowhere([offered, *asks_before, asked], limit):
        return ProposalState.REJECTED, above
    return ProposalState.COUNTERED, above


def _asks_before(countered: Collection[Proposal]) -> defaultdict[UUID, list[Decimal]]:
    """By bid: what its Bee named in the earlier rounds of the same bargain, per hour, oldest first."""
    lately = timezone.now() - timedelta(seconds=SHUN_S)
    by_bargain = {(one.demand_id, one.offer_id): one for one in countered}
    named = Proposal.objects.filter(
        demand__in={one.demand_id for one in by_bargain.values()}, issuer=Issuer.BEE, state_since__gt=lately
    )
    asks = defaultdict[UUID, list[Decimal]](list)
    for earlier in named.order_by("created_at"):
        now = by_bargain.get((earlier.demand_id, earlier.offer_id))
        if now is not None and earlier.round < now.round:
            asks[now.pk].append(earlier.price.per_hour_glm(now.demand.cpu_threads))
    return asks


@transaction.atomic
def _settle(replies: Mapping[Proposal, Reply], *, actor: Actor | None = None) -> set[UUID]:
    """Close these rounds, and have their demands decided on again. By default their nodes did it."""
    demands = locked_in(DemandState.NEGOTIATING, {one.demand_id for one in replies})
    settled = move_each(
        [
            Move(
                row=one, state=reply.state, actor=actor or Actor.node(one.offer.node_id), reason=reply.reason
            )
            for one, reply in replies.items()
            if one.demand_id in demands
        ]
    )
    closed = [move.row for move in settled if isinstance(move.row, Proposal)]
    _keep_counters([counter for one in closed if (counter := replies[one].counter)])
    move_each([_reopened(demands[one.demand_id], one) for one in closed])
    if closed:
        negotiate_soon()
    return {one.demand_id for one in closed}


def _keep_counters(counters: Collection[Proposal]) -> None:
    Proposal.objects.bulk_create(counters)
    AuditLine.objects.bulk_create(
        AuditLine.draft(
            one, before="", after=one.state, actor=Actor.node(one.offer.node_id), reason=one.reason
        )
        for one in counters
    )


def _reopened(demand: Demand, proposal: Proposal) -> Move:
    return Move(
        row=demand,
        state=DemandState.OPEN,
        actor=MARKET,
        reason=f"bee {proposal.offer.node_id[:10]}… {proposal.reason}",
        deadline_at=demand.deadline_at,
        changes={"retry_at": timezone.now()},
    )
