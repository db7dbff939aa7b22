"""Celery: what billing does by itself, and how often (see CELERY_BEAT_SCHEDULE)."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from apps.billing.alerts.crossing import check_alerts
from apps.billing.budgets.holding import free_ended_holds
from apps.billing.chain.proof import prove_books
from apps.billing.chain.proving import prove_day
from apps.billing.chain.watcher import watch_chain
from apps.billing.invoicing.monthly import draw_up_months
from apps.billing.invoicing.paying import collect_due, mark_overdue
from apps.billing.invoicing.reminding import lift_paid, remind_due
from apps.billing.ledger.checkpoints import draw_checkpoints
from apps.billing.metering.rating import rate_usage
from apps.billing.providers.covering import mark_paid_notes
from apps.billing.providers.debit_notes import review_debit_notes
from apps.billing.providers.disputing import chase_disputes
from apps.billing.treasury.approving import chase_approvals
from apps.billing.treasury.gas import check_coin
from apps.billing.treasury.settlement import give_up_late, pay_providers
from apps.billing.wallets.withdrawing import close_unconfirmed


@shared_task(name="billing.rate_usage")
def rate() -> None:
    rate_usage()
    review_debit_notes()
    free_ended_holds()


@shared_task(name="billing.watch_chain")
def watch() -> None:
    watch_chain()
    give_up_late()
    close_unconfirmed()


@shared_task(name="billing.check_alerts")
def alert() -> None:
    check_alerts()


@shared_task(name="billing.settle")
def settle() -> None:
    pay_providers(minimum_glm=settings.HIVE_PAYOUT_THRESHOLD_GLM)
    mark_paid_notes()


@shared_task(name="billing.check_coin")
def coin() -> None:
    check_coin()


@shared_task(name="billing.draw_up_months", time_limit=1800, soft_time_limit=1700)
def invoice() -> None:
    draw_up_months()


@shared_task(name="billing.collect_invoices")
def collect() -> None:
    collect_due()
    mark_overdue()
    remind_due()
    lift_paid()


@shared_task(name="billing.chase_approvals")
def escalate() -> None:
    chase_approvals()


@shared_task(name="billing.chase_disputes")
def chase() -> None:
    chase_disputes()


@shared_task(name="billing.prove_books")
def prove() -> None:
    draw_checkpoints()
    prove_books()
    prove_day()
