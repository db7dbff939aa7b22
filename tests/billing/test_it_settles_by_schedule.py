"""When nodes are paid: every so many seconds, or once a day; and settings by which nobody would be."""

import runpy
from decimal import Decimal
from pathlib import Path

import pytest
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from hive_portal import env
from hive_portal.checks import payments_can_leave

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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HIVE_MAX_FEE_GWEI", Decimal(0)),
        ("HIVE_MAX_FEE_GWEI", Decimal("-1")),
        ("HIVE_MAX_FEE_GWEI", Decimal("NaN")),
        ("HIVE_MAX_TIP_GWEI", Decimal(0)),
        ("HIVE_REPLACE_AFTER_S", 0.0),
        ("HIVE_REPLACE_AFTER_S", float("nan")),
        ("HIVE_PAYOUTS_PER_BATCH", 0),
    ],
)
def test_it_refuses_settings_by_which_nobody_would_be_paid(settings, name, value):
    assert payments_can_leave() == []
    setattr(settings, name, value)
    [error] = payments_can_leave()
    assert (error.id, error.msg.split(":")[0]) == ("hive.E004", name)
