"""Celery's view of the market: load and call."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from apps.market.agreements import end_late_agreements
from apps.market.answers import expire_late_proposals
from apps.market.history.noting import note_prices as note_prices_now
from apps.market.models import Demand, DemandState
from apps.market.negotiation import negotiate as negotiate_one
from apps.market.reputation import gathering, reckoning

AT_ONCE = 200
"""Demands looked at in one run; the rest come in the next, a second later."""


@shared_task(name="market.negotiate")
def negotiate(demand_id: str) -> None:
    negotiate_one(demand_id)


@shared_task(name="market.negotiate_due")
def negotiate_due() -> None:
    expire_late_proposals()
    end_late_agreements()
    due = Demand.objects.filter(state=DemandState.OPEN, retry_at__lte=timezone.now())
    for demand_id in due.order_by("retry_at").values_list("pk", flat=True)[:AT_ONCE]:
        negotiate_one(demand_id)


@shared_task(name="market.gather_facts")
def gather_facts() -> None:
    gathering.gather()


@shared_task(name="market.reckon_reputations")
def reckon_reputations() -> None:
    reckoning.reckon_due()


@shared_task(name="market.note_prices")
def note_prices() -> None:
    note_prices_now()
