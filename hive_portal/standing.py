"""How the Hive stands: figures for the admin's first page, each with where to look when it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.db.models import Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.billing.chain.proof import PROVEN, latest_proof
from apps.billing.chain.suspense import in_suspense
from apps.billing.ledger.posting import ledger_sum
from apps.billing.models import (
    ChainNode,
    ChainNodeState,
    DebitNote,
    DebitNoteState,
    Dispute,
    DisputeState,
    MeteringFault,
    Payment,
    PaymentState,
    TransferKind,
    Verdict,
)
from apps.billing.treasury.gas import gas_book
from apps.deployments.models import Replica, ReplicaState
from apps.market.models import Agreement, AgreementState, Demand, DemandState
from apps.money import ZERO, plain
from apps.nodes.models import Node, NodeState
from apps.teams.models import AuditLine
from apps.teams.states import Stateful
from hive_portal.templatetags.hive import figures as figures_of

PROOF_HOLDS = timedelta(hours=2)
"""The books are proven every hour; after twice as long somebody should look why they are not."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `fine` tells whether anybody has to look."""

    title: str
    value: str
    hint: str
    link: str
    fine: bool = True


def standing(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by django-unfold for the admin's index."""
    return context | {"figures": figures(), "latest": AuditLine.objects.select_related("team")[:15]}


def figures() -> list[Figure]:
    return [*_machines(), *_work(), *_money(), _books(), _chain(), _overdue()]


def _machines() -> list[Figure]:
    online = Node.objects.filter(state=NodeState.ONLINE).count()
    silent = Node.objects.filter(state__in=[NodeState.UNKNOWN, NodeState.OFFLINE]).count()
    pending = Node.objects.filter(approved_at=None).exclude(state=NodeState.BANNED).count()
    hints = [f"{count} {what}" for count, what in ((silent, "silent"), (pending, "to approve")) if count]
    hint = ", ".join(hints)
    return [Figure("Nodes online", str(online), hint or "none silent", _list("nodes_node"), not hint)]


def _work() -> list[Figure]:
    healthy = Replica.objects.filter(state=ReplicaState.HEALTHY).count()
    troubled = Replica.objects.filter(state__in=[ReplicaState.UNHEALTHY, ReplicaState.FAILED]).count()
    in_force = Agreement.objects.filter(state=AgreementState.APPROVED).count()
    waiting = Demand.objects.filter(state=DemandState.OPEN).count()
    return [
        Figure(
            "Replicas healthy",
            str(healthy),
            f"{troubled} unhealthy or failed" if troubled else "none in trouble",
            _list("deployments_replica"),
            not troubled,
        ),
        Figure(
            "Agreements in force",
            str(in_force),
            f"{waiting} demand{'s' if waiting != 1 else ''} waiting" if waiting else "no demand waiting",
            _list("market_agreement"),
            not waiting,
        ),
    ]


def _money() -> list[Figure]:
    total = ledger_sum()
    moving = Payment.objects.exclude(state__in=[PaymentState.FINAL, PaymentState.FAILED]).count()
    disputed = DebitNote.objects.filter(state=DebitNoteState.DISPUTED).count()
    faults = MeteringFault.objects.count()
    return [
        Figure(
            "Ledger sum",
            plain(total),
            "zero, as it must be" if not total else "must be zero",
            _list("billing_transfer"),
            not total,
        ),
        _payments(moving),
        Figure(
            "Disagreements",
            str(disputed + faults),
            f"notes disputed: {disputed}, metering faults: {faults}",
            _list("billing_meteringfault"),
            not (disputed + faults),
        ),
        _disputes(),
        _approvals(),
        _suspense(),
        _gas(),
    ]


def _payments(moving: int) -> Figure:
    """What operators refused is as they wanted it; what failed otherwise somebody has to look at."""
    over = Payment.objects.filter(state=PaymentState.FAILED)
    refused = over.filter(approvals__verdict=Verdict.REFUSED).distinct().count()
    failed = over.count() - refused
    hint = f"{failed} failed" if failed else "none failed"
    hint += f", {refused} refused by operators" if refused else ""
    return Figure("Payments under way", str(moving), hint, _list("billing_payment"), not failed)


def _suspense() -> Figure:
    """Deposits of which nobody has said whose they are."""
    lying = in_suspense()
    count, total = lying.count(), lying.aggregate(all=Sum("suspended_glm"))["all"] or ZERO
    value = f"{count} deposit{'s' if count != 1 else ''}, {plain(total)} GLM"
    hint = "credit them to a proven wallet's team, or send them back" if count else "none waits"
    link = f"{_list('billing_chaintransfer')}?suspense=yes"
    return Figure("In suspense", value, hint, link, not count)


def _disputes() -> Figure:
    """Those that wait for an operator; owners see to the others."""
    escalated = Dispute.objects.filter(state=DisputeState.ESCALATED).count()
    waiting = Dispute.objects.filter(state=DisputeState.WITH_HIVE).count() + escalated
    hint = f"{escalated} escalated: nobody answered in time" if escalated else "none escalated"
    return Figure("Disputes to answer", str(waiting), hint, _list("billing_dispute"), not waiting)


def _approvals() -> Figure:
    """Large payments that wait for operators."""
    waiting = Payment.objects.filter(state=PaymentState.WAITING)
    first = waiting.order_by("deadline_at").first()
    hint = f"the first by {first.deadline_at:%Y-%m-%d %H:%M}" if first and first.deadline_at else "none waits"
    link = f"{_list('billing_payment')}?state__exact={PaymentState.WAITING}"
    return Figure("Payments to approve", str(waiting.count()), hint, link, first is None)


def _gas() -> Figure:
    """By the books, which follow the chain as far as it is final."""
    book = gas_book()
    lately, in_all = figures_of(book.spent_lately_coin), figures_of(book.spent_coin)
    left = (
        f"{figures_of(book.left_coin, rounding=ROUND_DOWN)} {book.coin}" if book.is_known else "not known yet"
    )
    link = f"{_list('billing_transfer')}?kind__exact={TransferKind.GAS}"
    spent = f"{lately} {book.coin} spent within a day, {in_all} in all"
    spent += "" if book.is_known else f"; {book.reckoned}"
    return Figure("Left for gas", left, spent, link, not book.is_low)


def _books() -> Figure:
    """The hourly proof is shown as it stands: to prove all of it anew takes too long for a page."""
    proof, link = latest_proof(), f"{_list('teams_auditline')}?noun=account"
    if proof is None:
        return Figure("Books", "not proven yet", "proven once an hour", link)
    is_old = proof.at < timezone.now() - PROOF_HOLDS
    told = f"at {proof.at:%Y-%m-%d %H:%M}: {proof.reason}"
    return Figure("Books", proof.after, told, link, proof.after == PROVEN and not is_old)


def _chain() -> Figure:
    """The JSON-RPC nodes that the watcher reads."""
    nodes = ChainNode.objects.exclude(state=ChainNodeState.RETIRED)
    well = [node for node in nodes if node.state == ChainNodeState.WELL]
    ill = [f"{node}: {node.reason}" for node in nodes if node.state == ChainNodeState.LEFT_OUT]
    told = "; ".join(ill) or (
        f"at block {max(node.height or 0 for node in well)}" if well else "none read yet"
    )
    link = _list("billing_chainnode")
    return Figure("Chain nodes", f"{len(well)} of {len(nodes)}", told, link, not ill)


def _overdue() -> Figure:
    """What has not left its state by its deadline, of all nouns that have one."""
    now = timezone.now()
    late = [(model, count) for model in _stateful() if (count := _late(model, now))]
    told = ", ".join(f"{count} {_called(model, count)}" for model, count in late)
    first = late[0][0] if late else Payment
    query = urlencode({"deadline_at__lt": now.isoformat()})
    link = f"{_list(f'{first._meta.app_label}_{first._meta.model_name}')}?{query}"
    return Figure("Overdue", str(sum(count for _, count in late)), told or "none", link, not late)


def _stateful() -> list[type[Stateful]]:
    return [model for model in apps.get_models() if issubclass(model, Stateful)]


def _late(model: type[Stateful], now: datetime) -> int:
    late = model._default_manager.filter(deadline_at__lt=now)
    return late.exclude(Q(state__in=model.terminal_states())).count()


def _called(model: type[Stateful], count: int) -> str:
    names = model._meta
    return str(names.verbose_name if count == 1 else names.verbose_name_plural)


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")
