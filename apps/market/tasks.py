"""Celery's view of the market: load and call."""

from __future__ import annotations

from celery import shared_task

from apps.market.history.noting import note_prices as note_prices_now
from apps.market.negotiating import negotiation
from apps.market.negotiating.agreements import end_late_agreements
from apps.market.negotiating.bids import expire_late_bids
from apps.market.reputation import gathering, reckoning
from apps.work import taken_up

MOST_BATCHES = 50
"""In one go, within Celery's limit of time; the rest come a second later."""


@shared_task(name="market.negotiate_due")
def negotiate_due() -> None:
    taken_up("market.negotiate_due")
    expire_late_bids()
    end_late_agreements()
    for _ in range(MOST_BATCHES):
        if not negotiation.negotiate_due():
            break


@shared_task(name="market.gather_facts")
def gather_facts() -> None:
    gathering.gather()


@shared_task(name="market.reckon_reputations")
def reckon_reputations() -> None:
    reckoning.reckon_due()


@shared_task(name="market.note_prices")
def note_prices() -> None:
    note_prices_now()
