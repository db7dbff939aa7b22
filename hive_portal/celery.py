"""Celery: `celery -A hive_portal.celery worker -B`. Each app's `tasks.py` loads and calls, no more."""

import gc
import os

from celery import Celery
from celery.signals import worker_before_create_process, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hive_portal.settings")

app = Celery("hive")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
@worker_before_create_process.connect
def keep_what_is_loaded(**_: object) -> None:
    """Django, web3 and the rest stay for good: a collection need not walk through them each time.

    Reading 10,000 events makes enough objects for several. Before a fork it also keeps the memory shared.
    """
    gc.collect()
    gc.freeze()
