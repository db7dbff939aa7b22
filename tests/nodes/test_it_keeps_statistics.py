from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from agent.protocol import Observed, Stats
from apps.nodes import statistics
from apps.nodes.models import Node, Statistic

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WARM = Stats(
    cpu_percent=12.5,
    mem_used_bytes=3 << 30,
    disk_used_bytes=40 << 30,
    sent_bytes_s=1000.5,
    received_bytes_s=2000.25,
    running=3,
    temperature_c=61.5,
)


@pytest.fixture(autouse=True)
def nobody_said_much_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_spent_until_s", {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def set_to(now: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now)

    set_to(NOON)
    return set_to


def said(stats: Stats) -> Observed:
    return Observed(revision=1, at_ms=0, assignments=[], stats=stats)


def row(node: Node, at: datetime, *, span_s: int = 0, **figures: object) -> Statistic:
    return Statistic.objects.create(node=node, span_s=span_s, at=at, **figures)


def spans(node: Node) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = {}
    for each in node.statistics.order_by("at"):
        found.setdefault(each.span_s, []).append(each.at)
    return found


def test_it_keeps_every_figure_of_a_heartbeat(node: Node, clock: object) -> None:
    statistics.record({node.id: said(WARM)})

    kept = node.statistics.get()
    assert {figure: getattr(kept, figure) for figure in Statistic.FIGURES} == {
        "cpu_percent": 12.5,
        "mem_used_bytes": 3 << 30,
        "disk_used_bytes": 40 << 30,
        "sent_bytes_s": 1000.5,
        "received_bytes_s": 2000.25,
        "running": 3,
        "temperature_c": 61.5,
    }
    assert (kept.at, kept.span_s, kept.samples) == (NOON, 0, 1)


def test_it_takes_many_nodes_in_one_statement(
    make_node: Callable[..., Node], django_assert_num_queries: Callable[..., object]
) -> None:
    nodes = [make_node() for _ in range(5)]

    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        statistics.record({node.id: said(WARM) for node in nodes} | {nodes[0].id: said(Stats())})

    assert Statistic.objects.count() == 5
    assert nodes[0].statistics.get().temperature_c is None


def test_a_flood_of_heartbeats_fills_no_table(
    node: Node, make_node: Callable[..., Node], clock: Callable[[datetime], None]
) -> None:
    for number in range(500):
        clock(NOON + timedelta(milliseconds=number))
        statistics.record({node.id: said(WARM)})
    other = make_node()
    statistics.record({node.id: said(WARM), other.id: said(WARM)})

    assert node.statistics.count() <= statistics.BURST_S + 5
    assert other.statistics.count() == 1


def test_the_same_words_at_the_same_instant_are_kept_once(node: Node, clock: object) -> None:
    statistics.record({node.id: said(WARM)})
    statistics.record({node.id: said(WARM)})

    assert node.statistics.count() == 1


def test_it_averages_complete_spans_only(node: Node, clock: Callable[[datetime], None]) -> None:
    for second, percent in ((0, 10.0), (150, 20.0), (299, 60.0), (300, 99.0)):
        row(node, NOON + timedelta(seconds=second), cpu_percent=percent, mem_used_bytes=4)

    clock(NOON + timedelta(seconds=305))
    assert statistics.roll_up() == 0, "a heartbeat of these five minutes may still be on its way"
    clock(NOON + timedelta(seconds=311))
    assert statistics.roll_up() == 1
    assert statistics.roll_up() == 0

    five = node.statistics.get(span_s=300)
    assert (five.at, five.samples, five.cpu_percent, five.mem_used_bytes) == (NOON, 3, 30.0, 4)


def test_an_hour_weighs_each_heartbeat_the_same(node: Node, clock: Callable[[datetime], None]) -> None:
    row(node, NOON, cpu_percent=90.0)
    for second in (600, 601, 602):
        row(node, NOON + timedelta(seconds=second), cpu_percent=10.0, temperature_c=50.0)

    clock(NOON + timedelta(seconds=3611))
    statistics.roll_up()

    hour = node.statistics.get(span_s=3600)
    assert (hour.at, hour.samples, hour.cpu_percent) == (NOON, 4, 30.0)
    assert hour.temperature_c == 50.0, "a node that tells no temperature does not cool the others"


def test_it_forgets_the_fine_before_the_coarse(node: Node, clock: Callable[[datetime], None]) -> None:
    row(node, NOON, cpu_percent=50.0)

    for later, left in (
        (timedelta(minutes=59), {0: [NOON], 300: [NOON]}),
        (timedelta(hours=1, seconds=11), {300: [NOON], 3600: [NOON]}),
        (timedelta(days=2, seconds=1), {3600: [NOON]}),
        (timedelta(days=90, seconds=1), {}),
    ):
        clock(NOON + later)
        statistics.roll_up()
        assert spans(node) == left


def test_it_makes_up_for_a_day_in_which_nobody_averaged(
    node: Node, clock: Callable[[datetime], None]
) -> None:
    for minute in range(0, 120, 10):
        row(node, NOON + timedelta(minutes=minute), cpu_percent=float(minute))

    clock(NOON + timedelta(days=1))
    statistics.roll_up()

    assert len(spans(node)[300]) == 12
    assert list(node.statistics.filter(span_s=3600).values_list("at", "cpu_percent")) == [
        (NOON, 25.0),
        (NOON + timedelta(hours=1), 85.0),
    ]
