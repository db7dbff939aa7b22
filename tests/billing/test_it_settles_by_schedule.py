"""When nodes are paid: every so many seconds, or once a day at a time of UTC."""

import runpy
from pathlib import Path

import pytest
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from hive_portal import env

SETTINGS = Path(env.__file__).parent / "settings.py"


@pytest.fixture
def schedule(monkeypatch):
    """What the beat is told about settling, under these variables."""

    def told(**variables):
        for name, value in {"HIVE_SECRET_KEY": "tests", **variables}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))["CELERY_BEAT_SCHEDULE"]["billing.settle"]

    return told


def test_it_settles_at_intervals_unless_told_otherwise(schedule):
    assert schedule()["schedule"] == 3600
    assert schedule(HIVE_SETTLE_INTERVAL_S="600")["schedule"] == 600


def test_it_settles_once_a_day_when_told_a_time(schedule):
    told = schedule(HIVE_SETTLE_AT="03:30")
    assert told["schedule"] == crontab(hour=3, minute=30)
    assert told["task"] == "billing.settle"


@pytest.mark.parametrize("value", ["25:00", "3", "noon", "03:30+02:00", "03:30:15"])
def test_it_refuses_what_is_no_time_of_day(monkeypatch, value):
    monkeypatch.setenv("HIVE_SETTLE_AT", value)
    with pytest.raises(ImproperlyConfigured, match="HIVE_SETTLE_AT: expected a time of day like 03:30"):
        env.clock("HIVE_SETTLE_AT")
