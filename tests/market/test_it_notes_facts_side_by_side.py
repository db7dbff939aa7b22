"""Several workers see the same thing happen, and reckon at the same time: it counts once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from apps.market.models import FactKind, NodeReputation, ReputationFact
from apps.market.reputation.noting import note
from apps.market.reputation.reckoning import reckon_due
from apps.nodes.models import Node

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

WORKERS = 4
THINGS = 10


def test_four_workers_count_each_thing_once(make_node: Callable[..., Node]) -> None:
    nodes = [make_node() for _ in range(3)]

    def work(worker: int) -> None:
        try:
            for thing in range(THINGS):
                for node in nodes if worker % 2 else reversed(nodes):
                    with transaction.atomic():
                        note(node.pk, FactKind.UPTIME, reference=f"{node.pk}:{thing}", merit=1.0)
                reckon_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as workers:
        list(workers.map(work, range(WORKERS)))
    reckon_due()
    assert ReputationFact.objects.count() == len(nodes) * THINGS
    known = NodeReputation.objects.values_list("evidence", flat=True)
    assert [round(evidence, 3) for evidence in known] == [THINGS * 0.1] * len(nodes)


def test_what_is_undone_never_happened(make_node: Callable[..., Node]) -> None:
    node = make_node()
    with pytest.raises(RuntimeError), transaction.atomic():
        note(node.pk, FactKind.MISREPORTED, reference="misreported:1")
        raise RuntimeError("the step that noted it failed")
    assert not ReputationFact.objects.exists()
