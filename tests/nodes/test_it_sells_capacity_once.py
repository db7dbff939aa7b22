from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection

from apps.nodes import capacity
from apps.nodes.models import Node, NodeState, Scheduling
from apps.nodes.sizes import Size
from apps.teams.audit import Actor

HALF = Decimal("0.5")


def _claim(node: Node) -> bool:
    return capacity.claim(node_id=node.id, size=Size(HALF, HALF))


@pytest.mark.django_db(transaction=True)
def test_of_many_who_claim_at_once_only_as_many_get_it_as_there_is(make_node: Callable[..., Node]) -> None:
    node = make_node(cpu_threads=Decimal("3.5"), mem_gib=Decimal(100))

    def claim_in_a_thread(_: int) -> bool:
        try:
            return _claim(node)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as pool:
        claims = list(pool.map(claim_in_a_thread, range(40)))

    node.refresh_from_db()
    assert claims.count(True) == 7
    assert node.cpu_threads_claimed == Decimal("3.5")


@pytest.mark.django_db
def test_what_is_given_back_can_be_claimed_again(make_node: Callable[..., Node]) -> None:
    node = make_node(cpu_threads=HALF)
    assert _claim(node)
    assert not _claim(node)

    capacity.release(node_id=node.id, size=Size(HALF, HALF))
    assert _claim(node)


@pytest.mark.django_db
def test_more_can_not_be_given_back_than_was_claimed(node: Node) -> None:
    with pytest.raises(IntegrityError, match="node_capacity_is_sold_once"):
        capacity.release(node_id=node.id, size=Size(HALF, HALF))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "standing",
    [
        {"approved_at": None},
        {"state": NodeState.UNKNOWN},
        {"scheduling": Scheduling.CORDONED},
        {"scheduling": Scheduling.DRAINING},
    ],
)
def test_nothing_is_claimed_of_a_node_that_takes_nothing_new(
    make_node: Callable[..., Node], standing: dict[str, object]
) -> None:
    assert not _claim(make_node(**standing))


@pytest.mark.django_db
def test_a_cordoned_node_takes_work_again_once_it_is_opened(node: Node) -> None:
    actor = Actor.queen("test")
    node.cordon(actor=actor, reason="new disk")
    assert not _claim(node)

    node.uncordon(actor=actor)
    assert _claim(node)
