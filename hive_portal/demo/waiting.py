"""Waiting for something to become true, with a limit and a sentence about what is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DemoFailed(Exception):
    """A step of the demo did not hold; the text is for the person in front of it."""


def until(what: str, probe: Callable[[], T | None], *, timeout_s: float, every_s: float = 0.1) -> T:
    """The first truthy answer of `probe`, asked every `every_s`.

    Raises `DemoFailed` after `timeout_s`, saying what was waited for.
    """
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        if answer := probe():
            return answer
        time.sleep(every_s)
    raise DemoFailed(f"{what}: not within {timeout_s:g} s")
