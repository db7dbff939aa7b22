"""Gathering what is known of Bees: a fixed number of queries however many are asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median

from django.db.models import Count, Max, Q
from django.utils import timezone

from agent.protocol import Price
from apps.billing.models import DebitNote, DebitNoteState, MeteringFault
from apps.market.models import Agreement, AgreementState, NodeReputation, Proposal, ProposalState
from apps.market.reputation.weighing import NEWCOMER
from apps.nodes.listeners import unheard_ms
from apps.nodes.models import Node, NodeState, Offer, OfferState, Scheduling
from hive_portal.owners.reasons import Asked, Facts, Faults, Refused

WEEK = timedelta(days=7)
MOST_REFUSALS = 5
"""Of one Bee: the most frequent, so that the rest of the page can be seen."""
MOST_DISPUTES = 3
HOUR_MS = 3_600_000


def facts_of(nodes: Sequence[Node], *, now: datetime | None = None) -> dict[str, Facts]:
    """About each of these nodes, in this and the last seven days; `nodes` come with their benchmarks."""
    now = now or timezone.now()
    ids, since = [node.pk for node in nodes], now - WEEK
    known = {node.pk: (_ms(max(since, node.created_at)), _ms(now)) for node in nodes}
    unheard, rented = unheard_ms(known), _rented_thread_ms(ids, since=since, now=now)
    refused, asked = _refused(ids, since=since), _asked(ids, now=now)
    faults, disputes = _faults(ids, since=since), _disputes(ids)
    reputations = NodeReputation.objects.in_bulk(ids)
    return {
        node.pk: Facts(
            state=node.state,
            state_reason=node.reason,
            approved=node.approved_at is not None,
            scheduling=node.scheduling,
            offline_h=unheard[node.pk] / HOUR_MS if node.approved_at else 0,
            known_h=(known[node.pk][1] - known[node.pk][0]) / HOUR_MS,
            cpu_threads=node.cpu_threads,
            rented_percent=_share(rented.get(node.pk, 0), node.cpu_threads, known[node.pk]),
            refused=refused.get(node.pk, []),
            asked=asked.get(node.pk, []),
            faults=faults.get(node.pk, []),
            disputes=disputes.get(node.pk, []),
            lost=_lost(reputations.get(node.pk)),
            is_newcomer=node.pk not in reputations or reputations[node.pk].is_newcomer,
            reputation=reputations[node.pk].score if node.pk in reputations else NEWCOMER.score,
            region=node.region,
            region_fault=node.region_fault,
            measured_at=node.benchmark.at if node.benchmark else None,
        )
        for node in nodes
    }


def _lost(reputation: NodeReputation | None) -> str:
    """What its reputation says first, where agreements were lost."""
    return reputation.sentences[0] if reputation and reputation.lost else ""


# -- how much of it was rented ----------------------------------------------------------------------------


def _rented_thread_ms(ids: Iterable[str], *, since: datetime, now: datetime) -> dict[str, float]:
    """CPU threads times milliseconds under signed agreements."""
    signed = Agreement.objects.filter(node__in=ids, approved_at__lt=now)
    rented: dict[str, float] = defaultdict(float)
    for node_id, threads, begun, ended in signed.filter(Q(ended_at=None) | Q(ended_at__gt=since)).values_list(
        "node_id", "cpu_threads", "approved_at", "ended_at"
    ):
        span = min(ended or now, now) - max(begun or now, since)
        rented[node_id] += float(threads) * max(span.total_seconds(), 0) * 1000
    return rented


def _share(thread_ms: float, cpu_threads: Decimal, known: tuple[int, int]) -> float | None:
    """Percent of the threads it rents out now; what was sold of more threads before counts as all."""
    whole = float(cpu_threads) * (known[1] - known[0])
    return min(100 * thread_ms / whole, 100) if whole else None


# -- what it would not, and what it asks ------------------------------------------------------------------


def _refused(ids: Iterable[str], *, since: datetime) -> dict[str, list[Refused]]:
    """What came to nothing, by reason; the most frequent first."""
    no_deal = [ProposalState.REJECTED, ProposalState.EXPIRED]  # one countered was gone on with
    proposals = Proposal.objects.filter(offer__node__in=ids, state__in=no_deal, state_since__gte=since)
    unsigned = Q(state__in=[AgreementState.REJECTED, AgreementState.EXPIRED], approved_at=None)
    barren = Q(state=AgreementState.TERMINATED, approved_at__isnull=False, hold__posted=0)
    agreements = Agreement.objects.filter(unsigned | barren, node__in=ids, state_since__gte=since)
    found: dict[str, list[Refused]] = defaultdict(list)
    for noun, rows, node in (("proposal", proposals, "offer__node_id"), ("agreement", agreements, "node_id")):
        grouped = rows.order_by().values_list(node, "state", "reason").annotate(count=Count("pk"))
        for node_id, state, reason, count in grouped:
            found[node_id].append(Refused(noun, state, reason, count))
    return {
        node_id: sorted(each, key=lambda one: -one.count)[:MOST_REFUSALS] for node_id, each in found.items()
    }


def _asked(ids: Iterable[str], *, now: datetime) -> dict[str, list[Asked]]:
    """The live offers of these nodes, each beside those of all other nodes that take work."""
    takes_work = Q(
        node__approved_at__isnull=False, node__state=NodeState.ONLINE, node__scheduling=Scheduling.OPEN
    )
    live = Offer.objects.filter(state=OfferState.LIVE, deadline_at__gt=now)
    rows = live.filter(takes_work | Q(node__in=ids)).order_by("runtime")
    prices: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for runtime, node_id, cpu_second_glm, second_glm in rows.values_list(
        "runtime", "node_id", "cpu_second_glm", "second_glm"
    ):
        price = Price(cpu_second_glm=cpu_second_glm, second_glm=second_glm)
        prices[runtime][node_id] = price.per_hour_glm(Decimal(1))
    found: dict[str, list[Asked]] = defaultdict(list)
    for runtime, by_node in prices.items():
        for node_id in by_node.keys() & set(ids):
            others = [glm for other, glm in by_node.items() if other != node_id]
            found[node_id].append(Asked(runtime, by_node[node_id], median(others) if others else None))
    return found


# -- what was not paid ------------------------------------------------------------------------------------


def _faults(ids: Iterable[str], *, since: datetime) -> dict[str, list[Faults]]:
    rows = MeteringFault.objects.filter(agreement__node__in=ids, at__gte=since).order_by()
    counted = list(rows.values_list("agreement__node_id", "kind").annotate(count=Count("pk"), last=Max("pk")))
    details = dict(
        MeteringFault.objects.filter(pk__in=[row[3] for row in counted]).values_list("pk", "detail")
    )
    found: dict[str, list[Faults]] = defaultdict(list)
    for node_id, kind, count, last in sorted(counted, key=lambda row: -row[2]):
        found[node_id].append(Faults(kind, count, details[last]))
    return found


def _disputes(ids: Iterable[str]) -> dict[str, list[str]]:
    """Of each agreement the newest note alone: it asks for all that came before."""
    disputed = DebitNote.objects.filter(agreement__node__in=ids, state=DebitNoteState.DISPUTED)
    notes = DebitNote.objects.filter(agreement__in=disputed.values("agreement"))
    found: dict[str, list[str]] = defaultdict(list)
    newest = notes.order_by("agreement_id", "-sequence").distinct("agreement_id")
    for node_id, state, reason in newest.values_list("agreement__node_id", "state", "reason"):
        if state == DebitNoteState.DISPUTED and len(found[node_id]) < MOST_DISPUTES:
            found[node_id].append(reason)
    return found


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
