"""A thousand negotiations at once, each over two rounds, with a thousand Bees over real sockets.

The Queen is `hive serve` as it is. The Bees (`trading_bee.py`) live in this process, so what they reckon and
sign is in the figure, too. Their prices and the limit are such that no bargain ends in its first round:
what a Bee asks then is above every limit, and what it asks in the second below.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

from agent.protocol import Price
from benchmarks.figure import Figure
from benchmarks.serving import enrolment_tokens, serving
from benchmarks.trading_bee import TradingBee

NEGOTIATIONS = int(os.environ.get("HIVE_BENCH_NEGOTIATIONS", 1_000))
LIMIT_S = 20.0
AT_ONCE = 50
"""Bees that join at the same time."""
PATIENCE_S = 180.0
LOWEST_PERCENT = Decimal(60)
"""Of what a Bee asks: it asks 92 % in the first round and 84 % in the second."""
CHEAPEST_GLM, SPREAD = Decimal("0.00001"), 0.08
"""Of a second; the dearest asks so much more."""
LIMIT = Decimal("0.91")
"""Of the cheapest Bee's price: less than 92 % of that, more than 84 % of the dearest's."""
THREADS, MEM_GIB = Decimal(4), Decimal(8)
"""All that a Bee offers: each has room for one."""


def measure() -> Figure:
    with serving({"HIVE_HEARTBEAT_S": "10"}) as hive:
        tokens = enrolment_tokens(hive, NEGOTIATIONS)
        dice = random.Random(4)
        bees = [
            TradingBee(
                hive.portal_url.replace("http", "ws", 1),
                token,
                price=Price(second_glm=CHEAPEST_GLM * Decimal(str(round(1 + SPREAD * dice.random(), 6)))),
                lowest_percent=LOWEST_PERCENT,
            )
            for token in tokens
        ]
        took_s = asyncio.run(_measure(bees))
        rounds, agreed = _rounds()
    return Figure(
        name="negotiating",
        value=took_s,
        unit="s",
        peer="the limit",
        peer_value=LIMIT_S,
        target=1,
        at_least=False,
        note=f"{agreed} demands opened at one moment to as many agreements signed by both; rounds of bid and "
        f"answer before: {rounds}; {NEGOTIATIONS} bees on real sockets, all on the same cores as the Queen",
    )


async def _measure(bees: list[TradingBee]) -> float:
    async with asyncio.TaskGroup() as group:
        lives = []
        for first in range(0, len(bees), AT_ONCE):
            turn = bees[first : first + AT_ONCE]
            lives += [group.create_task(bee.live()) for bee in turn]
            for bee in turn:
                await bee.joined.wait()
        await _until(lambda: asyncio.to_thread(_offers), NEGOTIATIONS)
        begun = time.monotonic()
        await asyncio.to_thread(_open_demands)
        await _until(lambda: asyncio.to_thread(_agreed), NEGOTIATIONS)
        took_s = time.monotonic() - begun
        for life in lives:
            life.cancel()
    return took_s


async def _until(count: Callable[[], Awaitable[int]], target: int) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while await count() < target:
            await asyncio.sleep(0.1)


def _open_demands() -> None:
    from django.db import transaction
    from django.utils import timezone

    from apps.market.needs import Need
    from apps.market.negotiating.demands import open_demand
    from apps.teams.models import Team

    team = Team.objects.create(slug="bench", name="Bench")
    cheapest = Price(second_glm=CHEAPEST_GLM).per_hour_glm(THREADS)
    need = Need(
        runtimes=["null"], cpu_threads=THREADS, mem_gib=MEM_GIB, max_price_per_hour_glm=cheapest * LIMIT
    )
    give_up_at = timezone.now() + timedelta(minutes=10)
    with transaction.atomic():
        for number in range(NEGOTIATIONS):
            open_demand(
                team=team, reference=f"bench:{number}", image="bench", need=need, give_up_at=give_up_at
            )


def _offers() -> int:
    from apps.market.placing.offers import live_offers

    return live_offers().count()


def _agreed() -> int:
    from apps.market.models import Demand, DemandState

    return Demand.objects.filter(state=DemandState.AGREED).count()


def _rounds() -> tuple[str, int]:
    """How many negotiations took how many rounds, in words, and how many agreements are signed by both."""
    from django.db.models import Max

    from apps.market.models import Agreement, AgreementState, Proposal

    taken = Proposal.objects.order_by().values_list("demand").annotate(rounds=Max("round"))
    counted = Counter(rounds for _, rounds in taken)
    words = ", ".join(f"{count} x {rounds}" for rounds, count in sorted(counted.items()))
    return words, Agreement.objects.filter(state=AgreementState.APPROVED).count()
