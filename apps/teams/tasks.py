"""Celery's view of the teams: load and call."""

from __future__ import annotations

from datetime import timedelta

from axes.models import AccessAttempt
from celery import shared_task
from django.utils import timezone

from apps.teams.notices.notifying import DELIVER
from apps.teams.notices.sending import deliver_notices, forget_notices
from apps.work import enqueue_once, taken_up


@shared_task(name=DELIVER)
def deliver() -> None:
    """Some of what is due; the rest is another task's, so that none runs into its time limit."""
    taken_up(DELIVER)
    if deliver_notices():
        enqueue_once(DELIVER)


@shared_task(name="teams.forget_notices")
def forget() -> None:
    forget_notices()


@shared_task(name="teams.forget_wrong_passwords")
def forget_wrong_passwords() -> None:
    """They count for minutes; whoever tries names without end fills no disk with them."""
    AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - timedelta(days=1)).delete()
