"""The demo's last act: from metered seconds to payments that the chain calls final."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Sum
from django.utils import timezone

from apps.billing.chain.proof import prove_books
from apps.billing.chain.reconciliation import reconcile
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.ledger.posting import ledger_sum
from apps.billing.models import (
    DebitNote,
    DebitNoteState,
    Invoice,
    Payment,
    PaymentState,
    UsageRecord,
    UsageState,
)
from apps.billing.treasury.settlement import pay_providers
from apps.money import ZERO, plain
from apps.teams.audit import Actor
from apps.teams.models import Team
from hive_portal.demo.receipt import Receipt
from hive_portal.demo.waiting import until


def wait_for_usage(team: Team, since: datetime) -> None:
    """Until every node that worked since then has usage posted and a debit note accepted for it."""

    def posted() -> bool:
        used = UsageRecord.objects.filter(agreement__team=team, received_at__gte=since)
        nodes = set(used.filter(state=UsageState.POSTED).values_list("agreement__node_id", flat=True))
        noted = DebitNote.objects.filter(agreement__team=team, received_at__gte=since).exclude(
            state=DebitNoteState.RECEIVED
        )
        return len(nodes) >= 3 and nodes == set(noted.values_list("agreement__node_id", flat=True))

    until("usage and debit notes of all three Bees", posted, timeout_s=60)


def usage_since(team: Team, since: datetime) -> dict[str, object]:
    posted = UsageRecord.objects.filter(agreement__team=team, state=UsageState.POSTED, received_at__gte=since)
    sums = posted.aggregate(
        records=Count("id"),
        running_ms=Sum("billed_running_ms"),
        cpu_ms=Sum("billed_cpu_ms"),
        cost=Sum("cost_glm"),
    )
    return {
        "records": sums["records"],
        "running_s": (sums["running_ms"] or 0) / 1000,
        "cpu_s": (sums["cpu_ms"] or 0) / 1000,
        "cost_glm": plain(sums["cost"] or ZERO),
    }


def pay_and_wait(since: datetime) -> list[Payment]:
    """Pay every Bee what it is owed, and wait until the watcher has seen each payment become final."""
    pay_providers(minimum_glm=ZERO)
    # Those of this moment: the workers pay by their own schedule too, and may begin another one meanwhile.
    made = list(Payment.objects.filter(created_at__gte=since).values_list("pk", flat=True))
    ours = Payment.objects.filter(pk__in=made).select_related("transaction").order_by("created_at")
    until(
        "every payment final on the chain",
        lambda: not ours.exclude(state__in=[PaymentState.FINAL, PaymentState.FAILED]).exists(),
        timeout_s=60,
    )
    return list(ours)


def settle(team: Team, since: datetime, receipt: Receipt) -> Invoice:
    wait_for_usage(team, since)
    receipt.usage = usage_since(team, since)
    invoice = draw_up_invoice(team=team, actor=Actor.queen("demo"), until=timezone.now())
    receipt.invoice = {"number": invoice.number, "total_glm": plain(invoice.total_glm)}
    receipt.payments = [
        {
            "transaction": payment.tx_hash,
            "block": payment.block_number,
            "node": payment.node_id,
            "amount_glm": plain(payment.amount),
            "state": payment.state,
        }
        for payment in pay_and_wait(since)
    ]
    result = reconcile()
    receipt.reconciliation = {"matched": result.matched, "unmatched": result.unmatched}
    receipt.ledger = {"sum": plain(ledger_sum()), "differences": prove_books()}
    return invoice
