"""From a demand to an agreement, in units of work: load, decide (decide.py), apply under a guard."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agent.protocol import Price
from apps.market.agreements import (
    MARKET,
    Crowded,
    draw_up,
    group_nodes,
    look_again,
    put_before_node,
    terminate,
)
from apps.market.answers import agreements_for, proposals_for, take_answers
from apps.market.decide import Agree, GiveUp, Propose, Situation, Step, Wait, decide
from apps.market.demands import cancel, need_of, open_demand
from apps.market.matching import Choice, plain
from apps.market.models import (
    AgreementState,
    Demand,
    DemandState,
    Proposal,
    ProposalState,
)
from apps.market.offers import live_offers
from apps.money import price_columns
from apps.nodes.links import nudge
from apps.nodes.models import OfferState
from apps.teams.audit import AuditLine
from apps.teams.states import StaleState
from apps.work import enqueue

__all__ = [
    "agreements_for",
    "cancel",
    "look_again",
    "need_of",
    "negotiate",
    "open_demand",
    "proposals_for",
    "take_answers",
    "terminate",
]

SHUN_S = 60
"""So long a node that would not is left alone by the same demand."""
FULL_RETRY_S = 0.5
"""Everybody who fitted was taken in the moment between looking and claiming: look again soon."""


def negotiate_soon(demand_id: UUID) -> None:
    """Once this transaction is committed. A lost task is found again by `negotiate_due`."""
    enqueue("market.negotiate", str(demand_id))


def negotiate(demand_id: UUID | str) -> None:
    """One unit of work on one demand. If another worker moved it meanwhile, this one's result is dropped."""
    demand = Demand.objects.filter(pk=demand_id, state=DemandState.OPEN).first()
    if demand is None:
        return
    now = timezone.now()
    situation = _situation(demand, now=now)
    try:
        _apply(demand, situation, decide(situation, now=now), now=now)
    except Crowded:
        negotiate_soon(demand.id)
    except StaleState:
        return


# -- load -------------------------------------------------------------------------------------------------


def _situation(demand: Demand, *, now: datetime) -> Situation:
    assert demand.deadline_at is not None  # the table's constraint: it is open
    return Situation(
        need=replace(need_of(demand), beside_nodes=frozenset(group_nodes(demand))),
        offers=live_offers(),
        shunned=_shunned(demand, now=now),
        bargained=_bargained(demand, now=now),
        waiting_since=demand.created_at,
        gives_up_at=demand.deadline_at,
        last_reason=demand.reason,
    )


def _shunned(demand: Demand, *, now: datetime) -> dict[str, str]:
    lately = Q(state_since__gt=now - timedelta(seconds=SHUN_S))
    proposals = demand.proposals.filter(lately, state__in=[ProposalState.REJECTED, ProposalState.EXPIRED])
    refused = {proposal.offer.node_id: proposal.reason for proposal in proposals.select_related("offer")}
    unsigned = [AgreementState.REJECTED, AgreementState.EXPIRED]
    agreements = demand.agreements.filter(lately, state__in=unsigned, approved_at=None)
    return refused | {agreement.node_id: agreement.reason for agreement in agreements}


def _bargained(demand: Demand, *, now: datetime) -> dict[str, Price]:
    lately = now - timedelta(seconds=SHUN_S)
    agreed = demand.proposals.filter(
        state=ProposalState.ACCEPTED, state_since__gt=lately, offer__state=OfferState.LIVE
    )
    return {str(proposal.offer_id): proposal.price for proposal in agreed.order_by("created_at")}


# -- apply ------------------------------------------------------------------------------------------------


def _apply(demand: Demand, situation: Situation, step: Step, *, now: datetime) -> None:
    match step:
        case Agree(choices):
            _agree(demand, choices, beside_nodes=situation.need.beside_nodes, now=now)
        case Propose(choice, price):
            _propose(demand, choice, price, now=now)
        case Wait(reason, retry_s):
            _wait(demand, reason, now + timedelta(seconds=retry_s))
        case GiveUp(reason):
            demand.move_to(DemandState.FAILED, actor=MARKET, reason=reason)


def _agree(
    demand: Demand, choices: Sequence[Choice], *, beside_nodes: Collection[str], now: datetime
) -> None:
    for choice in choices:
        if put_before_node(draw_up(demand, choice, now=now), beside_nodes=beside_nodes):
            return
    _wait(demand, "what fitted was taken in this moment", now + timedelta(seconds=FULL_RETRY_S))


@transaction.atomic
def _propose(demand: Demand, choice: Choice, price: Price, *, now: datetime) -> None:
    asked = plain(price.per_hour_glm(demand.cpu_threads))
    reason = f"asks bee {choice.offer.node_id[:10]}… for {asked} GLM/h"
    demand.move_to(DemandState.NEGOTIATING, actor=MARKET, reason=reason, deadline_at=demand.deadline_at)
    proposal = Proposal.objects.create(
        demand=demand,
        offer=choice.offer,
        reason=reason,
        **price_columns(price),
        deadline_at=now + timedelta(seconds=settings.HIVE_PROPOSAL_TIMEOUT_S),
    )
    AuditLine.write(proposal, before="", after=proposal.state, actor=MARKET, reason=reason)
    nudge(choice.offer.node_id)


def _wait(demand: Demand, reason: str, until: datetime) -> None:
    Demand.objects.filter(pk=demand.pk, state=DemandState.OPEN).update(reason=reason[:500], retry_at=until)
