"""Handing work to Celery by the name of its task, so that nobody has to import the tasks above them."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.db import transaction


def enqueue(task: str, *args: Any) -> None:
    """Have a worker do it as soon as this transaction is committed.

    A hint: when the broker is away it is lost, and the sweep that beat starts finds the work.
    """
    transaction.on_commit(lambda: current_app.send_task(task, args=args), robust=True)
