"""Contracts between the Queen and a node: drawn up and signed, put before the node, ended.

Capacity is claimed in the transaction that stores an agreement and given back in the one that ends it.
Rows are locked in one order, so that nobody waits in a circle: group, demand, proposal or agreement, node.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agent import typed_data
from apps.locks import queue_for
from apps.market.matching import Choice
from apps.market.models import Agreement, AgreementState, Demand, DemandState
from apps.market.reputation.dealing import note_end, note_unsigned
from apps.money import price_columns
from apps.nodes import capacity
from apps.nodes.links import nudge
from apps.nodes.queen import queen_address, queen_key
from apps.nodes.sizes import size_columns
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StaleState

MARKET = Actor.queen("market")
IN_FORCE = frozenset({AgreementState.PROPOSED, AgreementState.APPROVED})


class Crowded(StaleState):
    """Another demand of the same group took this node first: decide again."""


def draw_up(demand: Demand, choice: Choice, *, now: datetime) -> Agreement:
    """An agreement on these terms with the Queen's signature, not stored yet."""
    offer, price = choice.offer, choice.price
    agreement = Agreement(
        demand=demand,
        offer=offer,
        node=offer.node,
        team_id=demand.team_id,
        requestor=queen_address(),
        runtime=offer.runtime,
        image=demand.image,
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
def put_before_node(agreement: Agreement, *, beside_nodes: Collection[str]) -> bool:
    """Claim the capacity and store the agreement for the node to sign; False when the capacity is gone.

    `beside_nodes` is where others of its group were when this was decided. Raises Crowded when this node is
    one of them by now, and StaleState when the demand is no longer open.
    """
    _one_of_a_group_at_a_time(agreement.demand)
    demand, node_id = locked(agreement.demand), agreement.node_id
    if demand.state != DemandState.OPEN:
        raise StaleState(f"demand {demand.pk} is {demand.state}")
    if node_id in group_nodes(demand) - set(beside_nodes):
        raise Crowded(f"demand {demand.pk}: one of its group is on {node_id} by now")
    if not capacity.claim(node_id=node_id, size=agreement.size):
        return False
    demand.move_to(
        DemandState.NEGOTIATING,
        actor=MARKET,
        reason=f"waits for the signature of bee {node_id[:10]}…",
        deadline_at=demand.deadline_at,
    )
    agreement.save()
    AuditLine.write(agreement, before="", after=agreement.state, actor=MARKET, reason=agreement.reason)
    nudge(node_id)
    return True


def group_nodes(demand: Demand) -> set[str]:
    """Where others of the demand's group have an agreement in force."""
    if not demand.spread_group:
        return set()
    others = Agreement.objects.filter(demand__spread_group=demand.spread_group, state__in=IN_FORCE)
    return set(others.exclude(demand=demand).values_list("node_id", flat=True))


def _one_of_a_group_at_a_time(demand: Demand) -> None:
    """Held until this transaction ends: who comes second sees what the first one took."""
    if demand.spread_group:
        queue_for(f"market.spread_group {demand.spread_group}")


def is_signed_by_node(agreement: Agreement, signature: str) -> bool:
    message = typed_data.agreement(agreement.terms, chain_id=settings.HIVE_CHAIN_ID)
    return typed_data.is_signed_by(message, signature, agreement.node_id)


@transaction.atomic
def approve(agreement: Agreement, *, signature: str) -> None:
    """Both have signed. Raises StaleState when it was withdrawn meanwhile."""
    demand = locked(agreement.demand)
    agreement.move_to(
        AgreementState.APPROVED,
        actor=Actor.node(agreement.node_id),
        reason="signed by both",
        deadline_at=agreement.expires_at,
        provider_signature=signature,
        approved_at=timezone.now(),
    )
    demand.move_to(DemandState.AGREED, actor=MARKET, reason=f"bee {agreement.node_id[:10]}… signed")


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
    """The market has changed: open demands look again now. Those that are being worked on are passed over."""
    now = timezone.now()
    waiting = Demand.objects.filter(state=DemandState.OPEN, retry_at__gt=now)
    free = waiting.select_for_update(skip_locked=True).values("pk")
    Demand.objects.filter(pk__in=free).update(retry_at=now)


def locked(demand: Demand) -> Demand:
    """As it is now, and stays until this transaction ends."""
    return Demand.objects.select_for_update().get(pk=demand.pk)


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
