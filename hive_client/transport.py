"""HTTP that tries again, but only what may be tried again, and that keeps the pace it is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110, section 9.2.1: they change nothing, so a lost answer may be asked for again."""
PASSING_STATUSES = frozenset({502, 503, 504})
PAUSES_S = (0.1, 0.3, 0.9)
LONGEST_WAIT_S = 60
"""A key's pace is counted by the minute: whoever is asked to wait for longer is told so instead."""


class RetryingTransport(httpx.BaseTransport):
    """Repeats safe requests over connection faults and passing 5xx answers. A POST is sent once.

    What is answered 429 was not done: it is sent again, once, after the time that the answer names.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport,
        *,
        pauses_s: tuple[float, ...] = PAUSES_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner, self._pauses_s, self._sleep = inner, pauses_s, sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._handle(request)
        wait_s = _wait_s(response)
        if wait_s is None:
            return response
        response.close()
        self._sleep(wait_s)
        return self._handle(request)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.method not in SAFE_METHODS:
            return self._inner.handle_request(request)
        for pause_s in self._pauses_s:
            if (response := self._attempt(request)) is not None:
                return response
            self._sleep(pause_s)
        return self._inner.handle_request(request)

    def _attempt(self, request: httpx.Request) -> httpx.Response | None:
        """The answer, or None when the next attempt may fare better."""
        try:
            response = self._inner.handle_request(request)
        except httpx.TransportError:
            return None
        if response.status_code not in PASSING_STATUSES:
            return response
        response.close()
        return None

    def close(self) -> None:
        self._inner.close()


def _wait_s(response: httpx.Response) -> int | None:
    """RFC 9110, section 10.2.3, in its seconds; None where there is nothing to wait for, or for too long."""
    told = response.headers.get("Retry-After", "")
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not told.isdecimal():
        return None
    return int(told) if int(told) <= LONGEST_WAIT_S else None
