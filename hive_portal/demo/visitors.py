"""Visitors: threads that keep asking for a page at the edge and count what they get."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import Self

import httpx


class Visitors:
    """A few clients that ask without pause while the `with` block runs.

    The host name goes into the Host header: browsers and curl take `*.localhost` to loopback by themselves,
    but not every C library does.
    """

    def __init__(self, edge_url: str, host: str, clients: int = 4) -> None:
        self.requests = 0
        self.failures: list[str] = []
        self.replicas: Counter[str] = Counter()
        self._url, self._host = edge_url, host
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(clients)]

    @property
    def failed(self) -> int:
        return len(self.failures)

    def _visit(self) -> None:
        with httpx.Client(base_url=self._url, headers={"Host": self._host}, timeout=10) as client:
            while not self._leave.is_set():
                self._ask(client)
                self._leave.wait(0.005)

    def _ask(self, client: httpx.Client) -> None:
        try:
            answer = client.get("/")
            replica = answer.json()["replica"] if answer.is_success else None
            failure = None if replica else f"{answer.status_code} {answer.text[:80]}"
        except (httpx.HTTPError, ValueError, KeyError) as error:
            replica, failure = None, f"{type(error).__name__}: {error}"
        with self._lock:
            self.requests += 1
            if failure:
                self.failures.append(failure)
            else:
                self.replicas[str(replica)] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join(timeout=15)
