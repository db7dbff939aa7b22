"""The market as one batch of demands finds it: read in a fixed number of queries, and one for each filter.

Demands with the same filter share its query, so that a service's replicas cost what one of them does.
What one demand of the batch takes the next no longer sees, so that a thousand that look at once do not all
run to the same node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from agent.protocol import Price
from apps.market.models import Agreement, AgreementState, Demand, DemandState, Issuer, Proposal, ProposalState
from apps.market.needs import Need
from apps.market.negotiating.agreements import group_nodes
from apps.market.negotiating.bargaining import SHUN_S
from apps.market.negotiating.decide import Situation
from apps.market.negotiating.demands import need_of
from apps.market.placing.book import Book, thousandths
from apps.market.placing.offers import live_book
from apps.nodes.models import OfferState
from apps.nodes.sizes import Size

AGREED = Q(state=ProposalState.ACCEPTED)
NAMED = Q(state=ProposalState.COUNTERED, issuer=Issuer.BEE)
ASKED = Q(state=ProposalState.SENT)


class Spoken(NamedTuple):
    """Room that is being bargained for. Nobody has a right to it, but others had better ask elsewhere."""

    node_id: str
    size: Size


@dataclass
class Bargains:
    """Of one demand and of late."""

    asked: dict[str, Price] = field(default_factory=dict)
    """By offer id: the last price that its Bee would take, or named."""
    rounds: dict[str, int] = field(default_factory=dict)
    """By offer id: how many bids were made."""


class Outlook:
    def __init__(self, demands: Sequence[Demand], *, now: datetime) -> None:
        self._lately = Q(state_since__gt=now - timedelta(seconds=SHUN_S))
        self.book = live_book()
        self._shunned = self._who_would_not(demands)
        self._bargains = self._what_was_said(demands)
        groups = {name for demand in demands for name in (demand.spread_group, _beside(demand))}
        self._groups = group_nodes(groups)
        self._spoken = _spoken_for(self._lately)
        self._unspoken = self.book.with_free(self.book.free.copy())
        for spoken in self._spoken.values():
            _take(self._unspoken, spoken)

    def situation(self, demand: Demand) -> Situation:
        assert demand.deadline_at is not None  # the table's constraint: it is open
        if own := self._spoken.pop(demand.pk, None):
            _give_back(self._unspoken, own)
        bargains = self._bargains[demand.pk]
        return Situation(
            need=self._need(demand),
            book=self.book,
            unspoken=self._unspoken,
            shunned=self._shunned[demand.pk],
            asked=bargains.asked,
            rounds=bargains.rounds,
            waiting_since=demand.created_at,
            gives_up_at=demand.deadline_at,
            last_reason=demand.reason,
            planned_offer=str(demand.planned_offer_id or ""),
        )

    def speak_for(self, demand: Demand, node_id: str) -> None:
        """This demand bargains with that node."""
        self._spoken[demand.pk] = Spoken(node_id, demand.size)
        _take(self._unspoken, self._spoken[demand.pk])

    def take(self, demand: Demand, node_id: str) -> None:
        """This demand is about to agree with that node."""
        for book in (self.book, self._unspoken):
            _take(book, Spoken(node_id, demand.size))
        if demand.spread_group:
            self._groups[demand.spread_group][demand.pk] = node_id

    def _need(self, demand: Demand) -> Need:
        others = self._groups[demand.spread_group]
        return replace(
            need_of(demand),
            beside_nodes=tuple(node_id for pk, node_id in others.items() if pk != demand.pk),
            near_nodes=frozenset(self._groups[_beside(demand)].values()),
        )

    def _who_would_not(self, demands: Collection[Demand]) -> dict[UUID, dict[str, str]]:
        """By demand: the nodes and what they said."""
        shunned = defaultdict[UUID, dict[str, str]](dict)
        ended = [ProposalState.REJECTED, ProposalState.EXPIRED]
        proposals = Proposal.objects.filter(self._lately, demand__in=demands, state__in=ended)
        for demand_id, node_id, said in proposals.values_list("demand_id", "offer__node_id", "reason"):
            shunned[demand_id][node_id] = said
        unsigned = Agreement.objects.filter(
            self._lately,
            demand__in=demands,
            state__in=[AgreementState.REJECTED, AgreementState.EXPIRED],
            approved_at=None,
        )
        for demand_id, node_id, said in unsigned.values_list("demand_id", "node_id", "reason"):
            shunned[demand_id][node_id] = said
        return shunned

    def _what_was_said(self, demands: Collection[Demand]) -> dict[UUID, Bargains]:
        bargains = defaultdict[UUID, Bargains](Bargains)
        heard = Proposal.objects.filter(
            self._lately, AGREED | NAMED, demand__in=demands, offer__state=OfferState.LIVE
        )
        for proposal in heard.order_by("created_at"):
            of_demand = bargains[proposal.demand_id]
            of_demand.asked[str(proposal.offer_id)] = proposal.price
            of_demand.rounds[str(proposal.offer_id)] = proposal.round
        return bargains


def _beside(demand: Demand) -> str:
    """The group that its affinity names."""
    return str(demand.affinity.get("group", ""))


def _spoken_for(lately: Q) -> dict[UUID, Spoken]:
    """By demand, whoever's: where it bargained last."""
    in_play = Q(demand__state__in=[DemandState.OPEN, DemandState.NEGOTIATING])
    proposals = Proposal.objects.filter(lately, in_play, ASKED | AGREED | NAMED).order_by("created_at")
    sizes = (f"demand__{name}" for name in ("cpu_threads", "mem_gib", "storage_gib", "gpus"))
    rows = proposals.values_list("demand_id", "offer__node_id", *sizes)
    return {demand_id: Spoken(node_id, Size(*size)) for demand_id, node_id, *size in rows}


def _take(book: Book, spoken: Spoken) -> None:
    if spoken.node_id in book.nodes:
        book.take(spoken.node_id, spoken.size)


def _give_back(book: Book, spoken: Spoken) -> None:
    if spoken.node_id in book.nodes:
        book.free[book.nodes[spoken.node_id]] += thousandths(spoken.size)
