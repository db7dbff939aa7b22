"""One node's own prices as a chart draws them: a step wherever it asked more or less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.market.history.changes import Change, prices_since
from apps.market.history.points import KEPT
from apps.market.history.series import SPANS, PriceRange
from apps.nodes.models import Node
from apps.nodes.series import Series


def asked_series(node: Node, range: PriceRange) -> Series:
    """One figure per runtime: GLM for one thread, busy for an hour; None before its first price.

    A Bee whose price follows its load may change it dozens of times a day: of each span the last is drawn.
    """
    span, until = SPANS[range], timezone.now()
    since = until - KEPT[span]
    changes = prices_since(node, since, each=timedelta(seconds=span))
    instants = sorted({since, *(each.at for each in changes if since < each.at < until), until})
    if not changes:
        instants = []
    runtimes = sorted({each.runtime for each in changes})
    # Exact, as all money in the API; a chart makes its own numbers of them.
    columns: dict[str, Any] = {name: steps(_of(changes, name), instants) for name in runtimes}
    return Series(range, span, since, until, [at.timestamp() for at in instants], columns)


def steps(changes: Iterable[Change], instants: Sequence[datetime]) -> list[Decimal | None]:
    """The price that held at each of these rising instants; `changes` of one runtime, the oldest first."""
    coming, held, told = list(changes), None, list[Decimal | None]()
    for at in instants:
        while coming and coming[0].at <= at:
            held = coming.pop(0).thread_hour_glm
        told.append(held)
    return told


def _of(changes: Iterable[Change], runtime: str) -> list[Change]:
    return [each for each in changes if each.runtime == runtime]
