"""What lies with a node to answer, and what it answered. Answers are sent again until nothing lies there."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agent import protocol
from agent.protocol import Answer, Verdict
from apps.market.agreements import MARKET, approve, is_signed_by_node, locked, refuse, reopen
from apps.market.matching import plain
from apps.market.models import Agreement, AgreementState, Proposal, ProposalState
from apps.money import price_columns
from apps.nodes.offers import fault_of_price
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor, AuditLine
from apps.teams.states import StaleState

logger = logging.getLogger("hive.market")


def proposals_for(node_ids: Collection[str]) -> dict[str, list[protocol.Proposal]]:
    """The proposals that these nodes should answer, in one query."""
    asked = Proposal.objects.filter(
        offer__node__in=node_ids, state=ProposalState.SENT, deadline_at__gt=timezone.now()
    )
    questions = defaultdict[str, list[protocol.Proposal]](list)
    for proposal in asked.select_related("offer", "demand__team"):
        questions[proposal.offer.node_id].append(_question(proposal))
    return questions


def agreements_for(node_ids: Collection[str]) -> dict[str, list[protocol.AgreementToSign]]:
    """The agreements that these nodes should sign, in one query."""
    drawn_up = Agreement.objects.filter(
        node__in=node_ids, state=AgreementState.PROPOSED, deadline_at__gt=timezone.now()
    )
    to_sign = defaultdict[str, list[protocol.AgreementToSign]](list)
    for one in drawn_up.select_related("team"):
        to_sign[one.node_id].append(
            protocol.AgreementToSign(terms=one.terms, requestor_signature=one.requestor_signature)
        )
    return to_sign


def take_answers(*, node_id: str, answers: Iterable[Answer]) -> set[UUID]:
    """Returns the ids of the demands that this moved. What is no longer asked is passed over in silence."""
    moved = set()
    for answer in answers:
        # Whoever moved it first, a sweep or this answer sent twice, was right.
        with suppress(StaleState):
            moved.add(_take(node_id, answer))
    return {demand_id for demand_id in moved if demand_id}


def expire_late_proposals() -> None:
    late = Proposal.objects.filter(state=ProposalState.SENT, deadline_at__lte=timezone.now())
    for proposal in late.select_related("demand", "offer"):
        with suppress(StaleState):
            _settle(proposal, ProposalState.EXPIRED, actor=MARKET, reason="gave no answer in time")


def _take(node_id: str, answer: Answer) -> UUID | None:
    if agreement_id := _uuid(answer.agreement_id):
        mine = Agreement.objects.filter(node=node_id, state=AgreementState.PROPOSED)
        agreement = mine.filter(pk=agreement_id).select_related("demand").first()
        return _take_signature(agreement, answer) if agreement else None
    if proposal_id := _uuid(answer.proposal_id):
        asked = Proposal.objects.filter(offer__node=node_id, state=ProposalState.SENT)
        proposal = asked.filter(pk=proposal_id).select_related("demand", "offer").first()
        return _take_reply(proposal, answer) if proposal else None
    return None


def _take_signature(agreement: Agreement, answer: Answer) -> UUID:
    actor = Actor.node(agreement.node_id)
    if answer.verdict != Verdict.ACCEPTED:
        reason = answer.reason or "no reason given"
        refuse(agreement, AgreementState.REJECTED, actor=actor, reason=reason)
    elif is_signed_by_node(agreement, answer.signature or ""):
        approve(agreement, signature=answer.signature or "")
    else:
        logger.warning("agreement %s: the signature is not that of %s", agreement.pk, agreement.node_id)
        refuse(agreement, AgreementState.REJECTED, actor=actor, reason="its signature does not verify")
    return agreement.demand_id


def _take_reply(proposal: Proposal, answer: Answer) -> UUID:
    actor = Actor.node(proposal.offer.node_id)
    if answer.verdict == Verdict.ACCEPTED:
        _settle(proposal, ProposalState.ACCEPTED, actor=actor, reason="would at this price")
    elif answer.verdict == Verdict.COUNTERED and answer.counter_price:
        _take_counter(proposal, answer.counter_price, actor=actor)
    else:
        _settle(
            proposal, ProposalState.REJECTED, actor=actor, reason=answer.reason or "would not at this price"
        )
    return proposal.demand_id


@transaction.atomic
def _take_counter(proposal: Proposal, price: protocol.Price, *, actor: Actor) -> None:
    """A counter-proposal is a proposal from the other side: kept as the next round, with our answer to it."""
    fault = fault_of_price(price)
    if fault:
        return _settle(proposal, ProposalState.REJECTED, actor=actor, reason=f"counter-proposal: {fault}")
    limit = proposal.demand.max_price_per_hour_glm
    asked = price.per_hour_glm(proposal.demand.cpu_threads)
    taken = limit is None or asked <= limit
    counter = Proposal.objects.create(
        demand=proposal.demand,
        offer=proposal.offer,
        round=proposal.round + 1,
        state=ProposalState.ACCEPTED if taken else ProposalState.REJECTED,
        reason=f"asks {plain(asked)} GLM/h" + ("" if taken else ", above the limit"),
        **price_columns(price),
    )
    AuditLine.write(counter, before="", after=counter.state, actor=actor, reason=counter.reason)
    _settle(proposal, ProposalState.COUNTERED, actor=actor, reason=counter.reason)


@transaction.atomic
def _settle(proposal: Proposal, state: str, *, actor: Actor, reason: str) -> None:
    """Close the round, and let the demand decide on what came of it."""
    demand = locked(proposal.demand)
    proposal.move_to(state, actor=actor, reason=reason)
    reopen(demand, reason=f"bee {proposal.offer.node_id[:10]}… {reason}")


def _question(proposal: Proposal) -> protocol.Proposal:
    """The terms as they would stand in an agreement, which has no id yet."""
    demand, offer = proposal.demand, proposal.offer
    now = proposal.created_at
    terms = protocol.Terms(
        agreement_id="",
        requestor=queen_address(),
        provider=offer.node_id,
        offer_id=str(offer.id),
        runtime=offer.runtime,
        image=demand.image,
        cpu_threads=demand.cpu_threads,
        mem_gib=demand.mem_gib,
        storage_gib=demand.storage_gib,
        gpus=demand.gpus,
        price=proposal.price,
        valid_from_ms=int(now.timestamp() * 1000),
        expires_at_ms=int((now + timedelta(seconds=settings.HIVE_AGREEMENT_S)).timestamp() * 1000),
        team=demand.team.slug,
    )
    return protocol.Proposal(proposal_id=str(proposal.id), round=proposal.round, terms=terms)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
