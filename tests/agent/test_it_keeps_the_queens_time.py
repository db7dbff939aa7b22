"""A machine whose clock is wrong earns like any other: what both sides read is dated by the Queen's clock."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from agent import clock
from agent.clock import HiveClock
from tests.agent.queen_double import QueenDouble, assignment

HOUR_S = 3600.0


@dataclass
class Machine:
    """Clocks that a test sets."""

    own_ms: int = 5_000_000
    boot_s: float = 100.0

    def clock(self) -> HiveClock:
        return HiveClock(own_ms=lambda: self.own_ms, since_boot_s=lambda: self.boot_s)


def test_it_has_its_own_time_until_the_queen_tells_hers() -> None:
    machine = Machine()
    time = machine.clock()
    time.hear(0)
    assert (time.now_ms(), time.own_is_ahead_s()) == (5_000_000, 0)


def test_it_carries_on_what_she_said_whatever_happens_to_its_own_clock() -> None:
    machine = Machine()
    time = machine.clock()
    time.hear(9_000_000)
    machine.boot_s += 2.5
    machine.own_ms = 17
    assert time.now_ms() == 9_002_500


def test_it_believes_the_message_that_was_quickest() -> None:
    machine = Machine()
    time = machine.clock()
    time.hear(9_000_000)
    machine.boot_s += 10
    time.hear(9_004_000)  # on the way for six seconds
    assert time.now_ms() == 9_010_000


def test_it_follows_when_her_clock_is_put_right() -> None:
    machine = Machine()
    time = machine.clock()
    time.hear(9_000_000)
    for second in range(1, 9):
        machine.boot_s += 1
        time.hear(5_000_000 + second * 1000)
    assert time.now_ms() == 5_008_000


@pytest.mark.parametrize(("own_ms", "words"), [(0, "9000 s behind"), (18_000_000, "9000 s ahead of")])
def test_it_tells_the_owner_once_that_the_clock_is_wrong(
    caplog: pytest.LogCaptureFixture, own_ms: int, words: str
) -> None:
    time = Machine(own_ms=own_ms).clock()
    with caplog.at_level(logging.WARNING, "hive.agent"):
        for _ in range(3):
            time.hear(9_000_000)
    assert [words in record.getMessage() for record in caplog.records] == [True]


def test_it_says_nothing_of_a_second(caplog: pytest.LogCaptureFixture) -> None:
    time = Machine().clock()
    with caplog.at_level(logging.WARNING, "hive.agent"):
        time.hear(5_001_000)
    assert not caplog.records


@pytest.mark.real
@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
async def test_it_earns_though_its_clock_is_an_hour_off(
    queen: QueenDouble, running_bee: Any, ahead_s: float
) -> None:
    queen.ahead_s = ahead_s
    async with running_bee():
        terms = await queen.agree(expires_at_ms=queen.now_ms() + 60_000)
        given = assignment(terms)
        begun_ms = queen.now_ms()
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
        await queen.until(lambda: len(queen.usage.get(terms.agreement_id, ())) >= 3)
        await queen.until(lambda: queen.notes)
    reports = [report for _, report in sorted(queen.usage[terms.agreement_id].items())]
    assert begun_ms - 1000 <= reports[0].started_at_ms <= reports[-1].ended_at_ms <= queen.now_ms()
    assert sum(each.running_ms for each in reports) >= 900
    assert queen.notes[-1].amount_glm > 0
    assert abs(queen.offers[0].issued_at_ms - clock.wall_ms()) > 3_000_000


@pytest.mark.real
async def test_it_refuses_what_has_run_out_by_her_clock(queen: QueenDouble, running_bee: Any) -> None:
    queen.ahead_s = HOUR_S
    async with running_bee():
        terms = await queen.agree(expires_at_ms=queen.now_ms() - 1000)
        answer = queen.answer_to(terms.agreement_id)
        assert answer and answer.reason == "it has run out already"
