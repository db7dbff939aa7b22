"""Handing work to Celery by the name of its task, so that nobody has to import the tasks above them."""

from __future__ import annotations

from functools import cache
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from redis import Redis

QUEUED_MS = 1000
"""So long a task that was enqueued once is not enqueued again, unless a worker takes it up before."""


def enqueue(task: str, *args: Any) -> None:
    """Have a worker do it as soon as this transaction is committed.

    A hint: when the broker is away it is lost, and the sweep that beat starts finds the work.
    """
    transaction.on_commit(lambda: current_app.send_task(task, args=args), robust=True)


def enqueue_once(task: str) -> None:
    """The same for a task that works off whatever is due: a thousand askings of one moment are one task."""
    transaction.on_commit(lambda: _send_once(task), robust=True)


def taken_up(task: str) -> None:
    """To be called when it begins, before it looks: who asks from now on may have missed it."""
    _redis().delete(_flag(task))


def _send_once(task: str) -> None:
    if _redis().set(_flag(task), 1, nx=True, px=QUEUED_MS):
        current_app.send_task(task)


def _flag(task: str) -> str:
    return f"hive:queued:{task}"


@cache
def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL)
