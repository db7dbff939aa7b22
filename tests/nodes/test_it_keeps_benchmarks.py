from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agent.protocol import Benchmarks
from apps.nodes.benchmarks import store
from apps.nodes.models import Node, NodeBenchmark

pytestmark = pytest.mark.django_db


def ms(ago: timedelta = timedelta(0)) -> int:
    return int((timezone.now() - ago).timestamp() * 1000)


def said(ago: timedelta = timedelta(0), **figures: float) -> Benchmarks:
    return Benchmarks(at_ms=ms(ago), **figures)


def test_it_keeps_every_figure_with_its_date(node: Node) -> None:
    figures = {figure: float(place) for place, figure in enumerate(NodeBenchmark.FIGURES, start=1)}

    store(node_id=node.id, said=said(timedelta(hours=2), **figures))

    node.refresh_from_db()
    assert node.benchmark is not None
    assert {figure: getattr(node.benchmark, figure) for figure in figures} == figures
    assert abs(node.benchmark.at - (timezone.now() - timedelta(hours=2))) < timedelta(seconds=5)


def test_it_knows_every_figure_of_the_message() -> None:
    assert {"at_ms", *NodeBenchmark.FIGURES} == set(Benchmarks.__struct_fields__)


def test_what_is_said_again_is_kept_once(node: Node) -> None:
    message = said(cpu_all=3.0)

    assert store(node_id=node.id, said=message) is not None
    assert store(node_id=node.id, said=message) is None

    assert node.benchmarks.count() == 1


def test_the_newest_stands_beside_the_node_and_the_old_ones_are_kept(node: Node) -> None:
    store(node_id=node.id, said=said(timedelta(days=1), cpu_all=3.0))
    store(node_id=node.id, said=said(cpu_all=4.0))
    store(node_id=node.id, said=said(timedelta(hours=1), cpu_all=5.0))

    node.refresh_from_db()
    assert node.benchmark is not None and node.benchmark.cpu_all == 4.0
    assert [each.cpu_all for each in node.benchmarks.all()] == [4.0, 3.0]


@pytest.mark.parametrize("at_ms", [ms(-timedelta(days=900)), (1 << 62) - 1])
def test_a_date_to_come_is_today(node: Node, at_ms: int) -> None:
    """Else nothing would ever be newer."""
    measured = store(node_id=node.id, said=Benchmarks(at_ms=at_ms))

    assert measured is not None and measured.at <= timezone.now()
