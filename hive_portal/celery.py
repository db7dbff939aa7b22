"""Celery: `celery -A hive_portal.celery worker -B`. Each app's `tasks.py` loads and calls, no more."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hive_portal.settings")

app = Celery("hive")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
