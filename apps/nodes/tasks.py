"""Celery's view of the nodes: load and call."""

from celery import shared_task

from apps.nodes import offers, presence, statistics


@shared_task(name="nodes.sweep_silent")
def sweep_silent() -> None:
    presence.sweep_silent()
    offers.expire_offers()


@shared_task(name="nodes.roll_up_statistics")
def roll_up_statistics() -> None:
    statistics.roll_up()
