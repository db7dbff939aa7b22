"""A key may ask so often a minute: the client waits as long as it is told to, and no longer than a minute."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from hive_client.transport import RetryingTransport


@pytest.fixture
def ask() -> Callable[..., tuple[int, int, list[float]]]:
    """`ask("POST", (429, "7"), (200, ""))`: the status that came of it, requests sent, seconds waited."""

    def send(method: str, *answers: tuple[int, str]) -> tuple[int, int, list[float]]:
        left, waited = list(answers), []
        sent = 0

        def answer(request: httpx.Request) -> httpx.Response:
            nonlocal sent
            sent += 1
            status, after = left.pop(0)
            return httpx.Response(status, headers={"Retry-After": after} if after else {})

        transport = RetryingTransport(httpx.MockTransport(answer), sleep=waited.append)
        with httpx.Client(transport=transport) as client:
            response = client.request(method, "http://hive.test/", content=b"{}")
        return response.status_code, sent, waited

    return send


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_it_asks_again_when_it_may(ask: Callable[..., object], method: str) -> None:
    assert ask(method, (429, "7"), (200, "")) == (200, 2, [7])


@pytest.mark.parametrize("after", ["", "61", "soon", "-1"])
def test_it_does_not_wait_for_what_it_is_not_told_or_for_too_long(
    ask: Callable[..., object], after: str
) -> None:
    assert ask("POST", (429, after)) == (429, 1, [])


def test_it_waits_once(ask: Callable[..., object]) -> None:
    assert ask("GET", (429, "1"), (429, "60")) == (429, 2, [1])


def test_it_still_sends_once_what_may_have_been_done(ask: Callable[..., object]) -> None:
    assert ask("POST", (503, "1")) == (503, 1, [])
