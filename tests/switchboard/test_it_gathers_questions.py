"""Many who ask while one call is under way are answered together, and one's trouble is nobody else's."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hive_portal.gathering import MOST_AT_ONCE, Gathering


class Desk:
    """Doubles numbers, one turn after the other; waits before each turn until `open` is set."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.open = threading.Event()

    def answer(self, numbers: list[int]) -> list[int]:
        self.turns.append(numbers)
        assert self.open.wait(5)
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def test_who_comes_meanwhile_is_answered_together() -> None:
    desk = Desk()
    gathering = Gathering(desk.answer)
    asked = [asyncio.create_task(gathering.ask(number)) for number in range(5)]
    await asyncio.sleep(0)  # all have asked
    desk.open.set()

    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8]
    assert desk.turns == [[0, 1, 2, 3, 4]]

    assert await gathering.ask(21) == 42


async def test_a_turn_has_an_end() -> None:
    desk = Desk()
    desk.open.set()
    gathering = Gathering(desk.answer)

    numbers = range(100, 2 * MOST_AT_ONCE + 150)
    assert await asyncio.gather(*map(gathering.ask, numbers)) == [2 * number for number in numbers]
    assert [len(turn) for turn in desk.turns] == [MOST_AT_ONCE, MOST_AT_ONCE, 50]


async def test_trouble_is_for_who_makes_it() -> None:
    desk = Desk()
    desk.open.set()
    gathering = Gathering(desk.answer)

    replies = await asyncio.gather(*map(gathering.ask, (1, 13, 3)), return_exceptions=True)

    assert (replies[0], replies[2]) == (2, 6)
    assert isinstance(replies[1], ValueError)


async def test_who_leaves_holds_up_nobody() -> None:
    desk = Desk()
    gathering = Gathering(desk.answer)
    leaving = asyncio.create_task(gathering.ask(1))
    staying = asyncio.create_task(gathering.ask(2))
    await asyncio.sleep(0)
    leaving.cancel()
    desk.open.set()

    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await leaving
