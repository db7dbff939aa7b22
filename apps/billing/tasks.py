"""Celery: what billing does by itself, and how often (see CELERY_BEAT_SCHEDULE)."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from apps.billing.covering import mark_paid_notes
from apps.billing.debit_notes import review_debit_notes
from apps.billing.holding import free_ended_holds
from apps.billing.proof import prove_books
from apps.billing.rating import rate_usage
from apps.billing.settlement import pay_providers
from apps.billing.watcher import watch_chain


@shared_task(name="billing.rate_usage")
def rate() -> None:
    rate_usage()
    review_debit_notes()
    free_ended_holds()


@shared_task(name="billing.watch_chain")
def watch() -> None:
    watch_chain()


@shared_task(name="billing.settle")
def settle() -> None:
    pay_providers(minimum_glm=settings.HIVE_PAYOUT_THRESHOLD_GLM)
    mark_paid_notes()


@shared_task(name="billing.prove_books")
def prove() -> None:
    prove_books()
