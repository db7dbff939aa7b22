"""Demands opened and withdrawn, and the way between a `Need` and the columns that keep it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.market.models import AgreementState, Demand, DemandState, ProposalState
from apps.market.needs import Affinity, Need
from apps.market.negotiating.agreements import MARKET, locked, negotiate_soon, terminate
from apps.nodes.sizes import size_columns
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team


def open_demand(
    *,
    team: Team,
    reference: str,
    image: str,
    need: Need,
    give_up_at: datetime,
    planned_offer: UUID | str | None = None,
) -> Demand:
    """The demand with this reference, opened now unless it was before.

    `need.group` and `need.beside_nodes` are not the same: the first is kept, and where its others are is
    looked up whenever the demand is worked on. `planned_offer` is taken first while it still fits.
    """
    fields = {"team": team, "image": image, "deadline_at": give_up_at, "planned_offer_id": planned_offer}
    with transaction.atomic():
        demand, is_new = Demand.objects.get_or_create(
            reference=reference, defaults=fields | need_columns(need)
        )
        if is_new:
            AuditLine.write(demand, before="", after=demand.state, actor=MARKET, reason="asked for")
            negotiate_soon()
    return demand


def cancel(demand: Demand, *, actor: Actor, reason: str) -> None:
    """Whoever asked no longer wants it. A demand that is over stays as it is, its agreement included."""
    with transaction.atomic():
        demand = locked(demand)
        if demand.is_terminal:
            return
        demand.move_to(DemandState.CANCELLED, actor=actor, reason=reason)
        for proposal in demand.proposals.filter(state=ProposalState.SENT):
            proposal.move_to(ProposalState.EXPIRED, actor=actor, reason=reason)
        for agreement in demand.agreements.filter(state=AgreementState.PROPOSED):
            terminate(agreement, actor=actor, reason=reason)


def need_columns(need: Need) -> dict[str, Any]:
    """What a `Demand` keeps of it."""
    return {
        "runtimes": list(need.runtimes),
        **size_columns(need.size),
        "max_price_per_hour_glm": need.max_price_per_hour_glm,
        "max_start_glm": need.max_start_glm,
        "max_egress_gib_glm": need.max_egress_gib_glm,
        "constraints": need.constraints,
        "regions": list(need.regions),
        "benchmarks": dict(need.benchmarks),
        "strategy": need.strategy,
        "spread_group": need.group,
        "spread": need.spread,
        "spread_required": need.spread_required,
        "affinity": _affinity_kept(need.affinity),
        "allowed_nodes": None if need.allowed_nodes is None else sorted(need.allowed_nodes),
        "avoid_nodes": sorted(need.avoid_nodes),
    }


def need_of(demand: Demand) -> Need:
    """Without `beside_nodes`: where the others of its group are changes."""
    return Need(
        runtimes=demand.runtimes,
        cpu_threads=demand.cpu_threads,
        mem_gib=demand.mem_gib,
        storage_gib=demand.storage_gib,
        gpus=demand.gpus,
        max_price_per_hour_glm=demand.max_price_per_hour_glm,
        max_start_glm=demand.max_start_glm,
        max_egress_gib_glm=demand.max_egress_gib_glm,
        constraints=demand.constraints,
        regions=tuple(demand.regions),
        benchmarks=demand.benchmarks,
        strategy=demand.strategy,
        group=demand.spread_group,
        spread=demand.spread,
        spread_required=demand.spread_required,
        affinity=Affinity(**demand.affinity) if demand.affinity else None,
        allowed_nodes=None if demand.allowed_nodes is None else frozenset(demand.allowed_nodes),
        avoid_nodes=frozenset(demand.avoid_nodes),
    )


def _affinity_kept(affinity: Affinity | None) -> dict[str, Any]:
    if affinity is None:
        return {}
    return {"group": affinity.group, "by": affinity.by, "required": affinity.required}
