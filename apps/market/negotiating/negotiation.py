"""From demands to agreements, a batch at a time: claim, look, decide (decide.py), apply under guards.

The claim is the UPDATE of `retry_at`: what a killed worker claimed comes due again by itself. Everything that
is done to a demand is conditional on its state, so a second worker that decides on it too does nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from apps.locks import was_sacrificed
from apps.market.models import Demand, DemandState
from apps.market.negotiating.agreements import (
    MARKET,
    Draft,
    Outcome,
    draw_up,
    locked_in,
    look_again,
    negotiate_soon,
    put_before_nodes,
    terminate,
)
from apps.market.negotiating.answers import agreements_for, proposals_for, take_all_answers, take_answers
from apps.market.negotiating.bids import send_bids
from apps.market.negotiating.decide import Agree, GiveUp, Propose, Situation, Wait, decide
from apps.market.negotiating.demands import cancel, need_of, open_demand
from apps.market.negotiating.explaining import why
from apps.market.negotiating.outlook import Outlook
from apps.market.placing.listing import Choice
from apps.teams.states import Move, move_each
from apps.teams.storing import store_each

__all__ = [
    "agreements_for",
    "cancel",
    "look_again",
    "need_of",
    "negotiate_due",
    "open_demand",
    "proposals_for",
    "take_all_answers",
    "take_answers",
    "terminate",
]

log = logging.getLogger(__name__)

AT_ONCE = 250
"""Demands in a batch."""
CLAIM_S = 20.0
"""So long a worker has for its batch, before another takes it up."""
FULL_RETRY_S = 0.5
"""Everybody who fitted was taken in the moment between looking and claiming: look again soon."""
GONE = Wait("what fitted was taken in this moment", FULL_RETRY_S)


def negotiate_due() -> int:
    """One batch of those that are due. Returns how many it was."""
    demands, now = _claimed(), timezone.now()
    if demands:
        _work_off(demands, now=now)
    return len(demands)


# -- claim ------------------------------------------------------------------------------------------------


@transaction.atomic
def _claimed() -> list[Demand]:
    """Those that nobody works on now; their `retry_at` says until when they are ours."""
    due = Demand.objects.filter(state=DemandState.OPEN, retry_at__lte=timezone.now())
    free = due.select_for_update(skip_locked=True, no_key=True, of=("self",))
    # What a plan has promised a place goes before what it found none for, which else would take that place.
    demands = list(
        free.select_related("team").order_by(F("planned_offer").asc(nulls_last=True), "retry_at")[:AT_ONCE]
    )
    until = timezone.now() + timedelta(seconds=CLAIM_S)
    Demand.objects.filter(pk__in=[one.pk for one in demands]).update(retry_at=until)
    for demand in demands:
        demand.retry_at = until
    return demands


# -- decide -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deal:
    """A demand and the offers that would do, best first, as things stood when it was decided on."""

    demand: Demand
    situation: Situation
    choices: Sequence[Choice]
    because: Sequence[str]


def _work_off(demands: Sequence[Demand], *, now: datetime) -> None:
    outlook = Outlook(demands, now=now)
    deals, bids, waits, ends = [], dict[UUID, Propose](), [], []
    for demand in demands:
        situation = outlook.situation(demand)
        match decide(situation, now=now):
            case Agree(choices):
                deals.append(Deal(demand, situation, choices, why(choices[0], situation)))
                outlook.take(demand, choices[0].offer.node_id)
            case Propose() as bid:
                bids[demand.pk] = bid
                outlook.speak_for(demand, bid.choice.offer.node_id)
            case Wait() as wait:
                waits.append((demand, wait))
            case GiveUp(reason):
                ends.append(Move(row=demand, state=DemandState.FAILED, actor=MARKET, reason=reason))
    if bids:
        _send(bids, now=now)
    waits += _agree(deals, now=now)
    _wait(waits, now=now)
    move_each(ends)


# -- apply ------------------------------------------------------------------------------------------------


def _send(bids: Mapping[UUID, Propose], *, now: datetime) -> None:
    try:
        send_bids(bids, now=now)
    except OperationalError as error:  # all of it is undone
        if not was_sacrificed(error):
            raise
        log.info("%s bids gave way to others, and are decided on again", len(bids))
        _decide_again(list(bids))


def _agree(deals: Sequence[Deal], *, now: datetime) -> list[tuple[Demand, Wait]]:
    """Put each before the first of its nodes that has room. Returns those for which none had."""
    out_of_luck = []
    while deals:
        outcomes = _put(deals, now=now)
        full = [deal for deal in deals if outcomes.get(deal.demand.pk) == Outcome.FULL]
        deals = [_next(deal) for deal in full if len(deal.choices) > 1]
        out_of_luck += [(deal.demand, GONE) for deal in full if len(deal.choices) == 1]
        _decide_again([pk for pk, outcome in outcomes.items() if outcome == Outcome.CROWDED])
    return out_of_luck


def _put(deals: Sequence[Deal], *, now: datetime) -> dict[UUID, Outcome]:
    """All together; one by one when the database had to break a circle of waiting."""
    try:
        return put_before_nodes([_draft(deal, now=now) for deal in deals])
    except OperationalError as error:
        if not was_sacrificed(error):
            raise
        log.info("%s deals gave way to others", len(deals))
        if len(deals) == 1:
            return {}  # it comes due again
    return {pk: outcome for deal in deals for pk, outcome in _put([deal], now=now).items()}


def _draft(deal: Deal, *, now: datetime) -> Draft:
    agreement = draw_up(deal.demand, deal.choices[0], because=deal.because, now=now)
    return Draft(agreement, beside_nodes=list(deal.situation.need.beside_nodes))


def _next(deal: Deal) -> Deal:
    choices = deal.choices[1:]
    return replace(deal, choices=choices, because=why(choices[0], deal.situation))


def _decide_again(demand_ids: Collection[UUID]) -> None:
    if demand_ids:
        with transaction.atomic():
            open_ones = locked_in(DemandState.OPEN, demand_ids)
            Demand.objects.filter(pk__in=open_ones).update(retry_at=timezone.now())
        negotiate_soon()


@transaction.atomic
def _wait(waits: Collection[tuple[Demand, Wait]], *, now: datetime) -> None:
    """Unless the market changed meanwhile, and somebody had them look again."""
    open_ones = locked_in(DemandState.OPEN, (demand.pk for demand, _ in waits)) if waits else {}
    still_ours = []
    for claimed, wait in waits:
        demand = open_ones.get(claimed.pk)
        if demand is not None and demand.retry_at == claimed.retry_at:
            demand.reason, demand.retry_at = wait.reason[:500], now + timedelta(seconds=wait.retry_s)
            still_ours.append(demand)
    store_each(still_ours, ["reason", "retry_at"])
