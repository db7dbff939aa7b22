"""HTTP that tries again, but only what may be tried again."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110, section 9.2.1: they change nothing, so a lost answer may be asked for again."""
PASSING_STATUSES = frozenset({502, 503, 504})
PAUSES_S = (0.1, 0.3, 0.9)


class RetryingTransport(httpx.BaseTransport):
    """Repeats safe requests over connection faults and passing 5xx answers. A POST is sent once."""

    def __init__(
        self,
        inner: httpx.BaseTransport,
        *,
        pauses_s: tuple[float, ...] = PAUSES_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner, self._pauses_s, self._sleep = inner, pauses_s, sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
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
