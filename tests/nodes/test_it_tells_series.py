from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.nodes.models import Node, Statistic
from apps.nodes.series import Range, series, with_gaps
from tests.api.conftest import As
from tests.api.conftest import as_ as as_

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_silence_is_a_gap_and_not_a_line() -> None:
    told = list(with_gaps([(at(0), 1.0, 7), (at(5), 2.0, 7), (at(105), 3.0, 7)], widest_s=60))

    start = NOON.timestamp()
    assert told == [(start, 1.0, 7), (start + 5, 2.0, 7), (start + 55, None, None), (start + 105, 3.0, 7)]


@pytest.mark.django_db
def test_each_range_shows_the_rows_of_its_span(node: Node) -> None:
    now = timezone.now()
    for span_s, ago in ((0, timedelta(minutes=59)), (300, timedelta(hours=47)), (3600, timedelta(days=89))):
        Statistic.objects.create(node=node, span_s=span_s, at=now - ago, cpu_percent=span_s)
        Statistic.objects.create(node=node, span_s=span_s, at=now - ago - timedelta(days=90))

    for range, span_s in ((Range.HOUR, 0), (Range.DAYS, 300), (Range.QUARTER, 3600)):
        told = series(node, range)
        assert (told.span_s, told.figures["cpu_percent"]) == (span_s, [span_s])
        assert len(told.at) == len(told.figures["temperature_c"]) == 1
        assert told.figures["temperature_c"] == [None]


@pytest.mark.django_db
def test_owner_and_operator_may_read_them_and_nobody_else(
    make_node: Callable[..., Node], as_: As, owner: object, stranger: object
) -> None:
    node = make_node()
    Statistic.objects.create(node=node, span_s=0, at=timezone.now(), cpu_percent=12.5)
    path = f"/api/v1/nodes/{node.id}/statistics/"

    assert as_(owner).get(path).json()["figures"]["cpu_percent"] == [12.5]
    assert as_(stranger).get(path).status_code == 404
    assert as_(owner).get(path, {"range": "century"}).status_code == 400

    stranger.is_staff = True  # type: ignore[attr-defined]
    stranger.save()  # type: ignore[attr-defined]
    assert as_(stranger).get(path, {"range": "hour"}).json()["span_s"] == 0
