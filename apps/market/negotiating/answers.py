"""What lies with nodes to answer, and what they answered. Answers are sent again until nothing lies there."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from agent import protocol
from agent.protocol import Answer, Verdict
from apps.market.models import Agreement, AgreementState, Proposal, ProposalState
from apps.market.negotiating.agreements import approve_all, is_signed_by_node, refuse
from apps.market.negotiating.bids import take_replies
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor
from apps.teams.states import StaleState

logger = logging.getLogger("hive.market")


def proposals_for(node_ids: Collection[str]) -> dict[str, list[protocol.Proposal]]:
    """The proposals that these nodes should answer, the oldest first; in one query."""
    asked = Proposal.objects.filter(
        offer__node__in=node_ids, state=ProposalState.SENT, deadline_at__gt=timezone.now()
    )
    questions = defaultdict[str, list[protocol.Proposal]](list)
    for proposal in asked.select_related("offer", "demand__team").order_by("created_at", "pk"):
        questions[proposal.offer.node_id].append(_question(proposal))
    return questions


def agreements_for(node_ids: Collection[str]) -> dict[str, list[protocol.AgreementToSign]]:
    """The agreements that these nodes should sign, the oldest first; in one query."""
    drawn_up = Agreement.objects.filter(
        node__in=node_ids, state=AgreementState.PROPOSED, deadline_at__gt=timezone.now()
    )
    to_sign = defaultdict[str, list[protocol.AgreementToSign]](list)
    for one in drawn_up.select_related("team").order_by("created_at", "pk"):
        to_sign[one.node_id].append(
            protocol.AgreementToSign(terms=one.terms, requestor_signature=one.requestor_signature)
        )
    return to_sign


def take_answers(*, node_id: str, answers: Iterable[Answer]) -> set[UUID]:
    """As `take_all_answers`, of one node."""
    return take_all_answers({node_id: list(answers)})


def take_all_answers(said: Mapping[str, Collection[Answer]]) -> set[UUID]:
    """Returns the ids of the demands that this moved. What is no longer asked is passed over in silence."""
    moved = take_replies(_replies(said))
    signed = list[tuple[Agreement, str]]()
    for agreement, answer in _signatures(said):
        if answer.verdict == Verdict.ACCEPTED and is_signed_by_node(agreement, answer.signature or ""):
            signed.append((agreement, answer.signature or ""))
        else:
            moved |= _refused(agreement, answer)
    return moved | approve_all(signed)


def _replies(said: Mapping[str, Collection[Answer]]) -> list[tuple[Proposal, Answer]]:
    """To bids that lie with the node that answers: nobody answers in another's place."""
    given = {(node, id): answer for node, answer in _flat(said) if (id := _uuid(answer.proposal_id))}
    asked = Proposal.objects.filter(pk__in={id for _, id in given}, state=ProposalState.SENT)
    found = ((one, given.get((one.offer.node_id, one.pk))) for one in asked.select_related("demand", "offer"))
    return [(one, answer) for one, answer in found if answer]


def _signatures(said: Mapping[str, Collection[Answer]]) -> list[tuple[Agreement, Answer]]:
    given = {(node, id): answer for node, answer in _flat(said) if (id := _uuid(answer.agreement_id))}
    drawn_up = Agreement.objects.filter(pk__in={id for _, id in given}, state=AgreementState.PROPOSED)
    found = (
        (one, given.get((one.node_id, one.pk))) for one in drawn_up.select_related("demand", "node", "team")
    )
    return [(one, answer) for one, answer in found if answer]


def _flat(said: Mapping[str, Collection[Answer]]) -> Iterator[tuple[str, Answer]]:
    return ((node_id, answer) for node_id, answers in said.items() for answer in answers)


def _refused(agreement: Agreement, answer: Answer) -> set[UUID]:
    actor, forged = Actor.node(agreement.node_id), answer.verdict == Verdict.ACCEPTED
    reason = "its signature does not verify" if forged else answer.reason or "no reason given"
    if forged:
        logger.warning("agreement %s: the signature is not that of %s", agreement.pk, agreement.node_id)
    # Whoever moved it first, a sweep or this answer sent twice, was right.
    with suppress(StaleState):
        refuse(agreement, AgreementState.REJECTED, actor=actor, reason=reason, forged=forged)
        return {agreement.demand_id}
    return set()


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
