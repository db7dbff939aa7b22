"""Contracts between the Queen and a node: drawn up and signed, put before the node, approved, ended.

Capacity is claimed in the transaction that stores an agreement and given back in the one that ends it.
Rows are locked in one order, so that nobody waits in a circle: groups, demands, proposals or agreements,
nodes; of each kind by their keys.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agent import typed_data
from apps.locks import queue_for
from apps.market.models import IN_FORCE, Agreement, AgreementState, Demand, DemandState, Spread
from apps.market.placing.listing import Choice
from apps.market.reputation.dealing import note_end, note_unsigned
from apps.money import price_columns
from apps.nodes import capacity
from apps.nodes.links import nudge
from apps.nodes.models import Node
from apps.nodes.queen import queen_address, queen_key
from apps.nodes.sizes import size_columns
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import Move, StaleState, move_each
from apps.work import enqueue_once

MARKET = Actor.queen("market")
Groups = defaultdict[str, dict[UUID, str]]
"""By group and demand: a node."""


# -- proposed ---------------------------------------------------------------------------------------------


class Outcome(Enum):
    PROPOSED = auto()
    """Its capacity is claimed, and it lies with the node."""
    FULL = auto()
    """The node has no room for it any more."""
    CROWDED = auto()
    """Others of its group were placed since it was decided: decide again."""
    STALE = auto()
    """Its demand is no longer open."""


@dataclass(frozen=True, slots=True)
class Draft:
    agreement: Agreement
    beside_nodes: Sequence[str]
    """Where others of its group were when this was decided."""


def draw_up(demand: Demand, choice: Choice, *, because: Sequence[str], now: datetime) -> Agreement:
    """An agreement on these terms with the Queen's signature, not stored yet."""
    offer, price = choice.offer, choice.price
    agreement = Agreement(
        demand=demand,
        offer_id=offer.id,
        node_id=offer.node_id,
        team=demand.team,
        requestor=queen_address(),
        runtime=offer.runtime,
        image=demand.image,
        because=list(because),
        **size_columns(demand.size),
        **price_columns(price),
        valid_from=now,
        expires_at=now + timedelta(seconds=settings.HIVE_AGREEMENT_S),
        deadline_at=now + timedelta(seconds=settings.HIVE_PROPOSAL_TIMEOUT_S),
        reason="waits for the bee's signature",
    )
    message = typed_data.agreement(agreement.terms, chain_id=settings.HIVE_CHAIN_ID)
    agreement.requestor_signature = typed_data.sign(message, queen_key())
    return agreement


@transaction.atomic
def put_before_nodes(drafts: Collection[Draft]) -> dict[UUID, Outcome]:
    """Claim their capacity and store them for their nodes to sign. Returns what came of each, by demand."""
    _one_at_a_time({draft.agreement.demand.spread_group for draft in drafts})
    open_ones = locked_in(DemandState.OPEN, (draft.agreement.demand_id for draft in drafts))
    groups = group_nodes({demand.spread_group for demand in open_ones.values()})
    outcomes = dict.fromkeys((draft.agreement.demand_id for draft in drafts), Outcome.STALE)
    waiting = [draft for draft in drafts if draft.agreement.demand_id in open_ones]
    while waiting:
        turn, waiting = _one_of_each_node(waiting)
        outcomes |= _claim(turn, groups)
    claimed = [draft.agreement for draft in drafts if outcomes[draft.agreement.demand_id] == Outcome.PROPOSED]
    if claimed:
        _store(claimed, open_ones)
    return outcomes


def _one_of_each_node(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Draft]]:
    """And those that come after."""
    turn, later = dict[str, Draft](), list[Draft]()
    for draft in drafts:
        if turn.setdefault(draft.agreement.node_id, draft) is not draft:
            later.append(draft)
    return list(turn.values()), later


def _claim(turn: Sequence[Draft], groups: Groups) -> dict[UUID, Outcome]:
    crowded = {draft.agreement.demand_id for draft in turn if _is_crowded(draft, groups)}
    free = [draft.agreement for draft in turn if draft.agreement.demand_id not in crowded]
    claimed = capacity.claim_each({one.node_id: one.size for one in free})
    outcomes = dict.fromkeys(crowded, Outcome.CROWDED)
    for one in free:
        outcomes[one.demand_id] = Outcome.PROPOSED if one.node_id in claimed else Outcome.FULL
        if one.node_id in claimed:
            groups[one.demand.spread_group][one.demand_id] = one.node_id
    return outcomes


def _is_crowded(draft: Draft, groups: Groups) -> bool:
    """Whether others of its group were placed since, where it matters."""
    demand, node_id = draft.agreement.demand, draft.agreement.node_id
    others = (there for pk, there in groups[demand.spread_group].items() if pk != demand.pk)
    news = Counter(others) - Counter(draft.beside_nodes)
    # Whose nodes these are, and in which region, is not looked up here: any news may concern it.
    return bool(news) if demand.spread != Spread.NODE else node_id in news


def _store(agreements: Collection[Agreement], demands: dict[UUID, Demand]) -> None:
    nodes = Node.objects.in_bulk({one.node_id for one in agreements})
    for one in agreements:
        one.node = nodes[one.node_id]  # the audit line names it
    move_each(
        [
            Move(
                row=demands[one.demand_id],
                state=DemandState.NEGOTIATING,
                actor=MARKET,
                reason=f"waits for the signature of bee {one.node_id[:10]}…",
                deadline_at=demands[one.demand_id].deadline_at,
            )
            for one in agreements
        ]
    )
    Agreement.objects.bulk_create(agreements)
    AuditLine.objects.bulk_create(
        AuditLine.draft(one, before="", after=one.state, actor=MARKET, reason=one.reason)
        for one in agreements
    )
    nudge(*(one.node_id for one in agreements))


def group_nodes(groups: Collection[str]) -> Groups:
    """By group and demand: the nodes with which there is an agreement in force."""
    found = defaultdict[str, dict[UUID, str]](dict)
    in_force = Agreement.objects.filter(demand__spread_group__in=set(groups) - {""}, state__in=IN_FORCE)
    for group, demand_id, node_id in in_force.values_list("demand__spread_group", "demand_id", "node_id"):
        found[group][demand_id] = node_id
    return found


def _one_at_a_time(groups: Collection[str]) -> None:
    """Held until this transaction ends: who comes second sees what the first one took."""
    for group in sorted(set(groups) - {""}):
        queue_for(f"market.spread_group {group}")


# -- signed -----------------------------------------------------------------------------------------------


def is_signed_by_node(agreement: Agreement, signature: str) -> bool:
    message = typed_data.agreement(agreement.terms, chain_id=settings.HIVE_CHAIN_ID)
    return typed_data.is_signed_by(message, signature, agreement.node_id)


@transaction.atomic
def approve_all(signed: Collection[tuple[Agreement, str]]) -> set[UUID]:
    """Both have signed these. Returns the demands that have one now; what was withdrawn meanwhile is not."""
    demands = locked_in(DemandState.NEGOTIATING, (agreement.demand_id for agreement, _ in signed))
    now = timezone.now()
    approved = move_each(
        [
            Move(
                row=agreement,
                state=AgreementState.APPROVED,
                actor=Actor.node(agreement.node_id),
                reason="signed by both",
                deadline_at=agreement.expires_at,
                changes={"provider_signature": signature, "approved_at": now},
            )
            for agreement, signature in signed
            if agreement.demand_id in demands
        ]
    )
    agreed = {move.row.demand_id: move.row for move in approved if isinstance(move.row, Agreement)}
    move_each(
        [
            Move(
                row=demands[demand_id],
                state=DemandState.AGREED,
                actor=MARKET,
                reason=f"bee {agreement.node_id[:10]}… signed",
            )
            for demand_id, agreement in agreed.items()
        ]
    )
    return set(agreed)


# -- ended ------------------------------------------------------------------------------------------------


def terminate(agreement: Agreement, *, actor: Actor, reason: str) -> None:
    """End it now, from either side; one that has ended already stays as it is."""
    if not agreement.is_terminal:
        end(agreement, AgreementState.TERMINATED, actor=actor, reason=reason)


@transaction.atomic
def end(agreement: Agreement, state: str, *, actor: Actor, reason: str) -> None:
    """Raises StaleState when somebody else ended it first: the capacity is given back once."""
    agreement.move_to(state, actor=actor, reason=reason, ended_at=timezone.now())
    capacity.release(node_id=agreement.node_id, size=agreement.size)
    note_end(agreement)
    transaction.on_commit(look_again)
    nudge(agreement.node_id)


@transaction.atomic
def refuse(agreement: Agreement, state: str, *, actor: Actor, reason: str, forged: bool = False) -> None:
    """The node did not sign: the demand looks for another one. Raises StaleState as `end` does.

    `forged`: it signed with another key, or something else.
    """
    demand = locked(agreement.demand)
    end(agreement, state, actor=actor, reason=reason)
    note_unsigned(agreement, forged=forged)
    reopen(demand, reason=f"bee {agreement.node_id[:10]}… would not: {reason}")


def reopen(demand: Demand, *, reason: str) -> None:
    demand.move_to(
        DemandState.OPEN,
        actor=MARKET,
        reason=reason,
        deadline_at=demand.deadline_at,
        retry_at=timezone.now(),
    )


@transaction.atomic
def look_again() -> None:
    """The market has changed: open demands look again now.

    Also those that a worker claimed and decides on as the market was: its deal stands if it comes first, its
    wait falls, since their `retry_at` is another by then. Rows that are being written now are passed over.
    """
    now = timezone.now()
    waiting = Demand.objects.filter(state=DemandState.OPEN, retry_at__gt=now)
    free = waiting.select_for_update(skip_locked=True).values("pk")
    if Demand.objects.filter(pk__in=free).update(retry_at=now):
        negotiate_soon()


def negotiate_soon() -> None:
    """Once this transaction is committed. A hint that is lost costs a second, until beat's next sweep."""
    enqueue_once("market.negotiate_due")


def locked(demand: Demand) -> Demand:
    """As it is now, and stays until this transaction ends."""
    return Demand.objects.select_for_update().get(pk=demand.pk)


def locked_in(state: str, demand_ids: Iterable[UUID]) -> dict[UUID, Demand]:
    """Those of them that are in this state, which they keep until this transaction ends."""
    rows = Demand.objects.filter(pk__in=list(demand_ids), state=state).order_by("pk")
    return {demand.pk: demand for demand in rows.select_for_update(no_key=True)}


def end_late_agreements() -> None:
    """Those nobody signed in time, and those that have run out."""
    late = Agreement.objects.filter(deadline_at__lte=timezone.now()).select_related("demand")
    for agreement in late.filter(state__in=IN_FORCE):
        # Somebody who signs or ends it in this very moment wins.
        with suppress(StaleState):
            if agreement.state == AgreementState.PROPOSED:
                refuse(agreement, AgreementState.EXPIRED, actor=MARKET, reason="gave no answer in time")
            else:
                end(agreement, AgreementState.EXPIRED, actor=MARKET, reason="its time ran out")
