"""One JSON-RPC node: what it is asked, and what its silence and its refusals are called.

Requests go over web3's provider as they stand: for logs that is an order of magnitude faster than web3's own
formatting, and blocks of proof-of-authority chains need no special treatment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests.exceptions import HTTPError, RequestException
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from apps.billing.chain import answers
from apps.billing.chain.answers import Block

T = TypeVar("T")

ASK_TIMEOUT_S = 10
BATCH = 100
"""Questions in one request at most: what public nodes take."""
NOT_TAKEN = frozenset({400, 413, 422})
"""HTTP statuses by which some nodes refuse a question instead of answering with JSON-RPC's own error."""
_PATH = re.compile(r"(https?://[^/\s'\"]+|url:\s*)/[^\s'\")]*")


class _Told(Exception):
    """Its text may be a node's own words: people read it, and the database keeps it."""

    def __init__(self, text: str) -> None:
        super().__init__("".join(char if char.isprintable() else "�" for char in text))


class ChainUnreachable(_Told):
    """No node answers, or they answer nonsense, or differ, or speak for another chain: ask again later."""


class ChainBehind(ChainUnreachable):
    """The node does not have the block yet."""


class ChainRefused(_Told):
    """The node understood, and would not; its text says why."""


class RpcNode:
    """One node for one chain.

    Attributes:
        name: host and port alone. Whatever else its URL has may be somebody's key, and is told to nobody.
    """

    def __init__(self, url: str, *, chain_id: int) -> None:
        self.url, self.chain_id, self.name = url, chain_id, name_of(url)
        self._provider = HTTPProvider(
            url, request_kwargs={"timeout": ASK_TIMEOUT_S}, exception_retry_configuration=None
        )
        self._is_checked = False
        self._span_blocks = 0
        self._takes_batches = True

    def ask(self, method: str, *parameters: Any, read: Callable[[Any], T]) -> T:
        """What it answers, as `read` understands it. Raises ChainUnreachable, ChainRefused."""
        if not self._is_checked:
            self.check()
        return self._understood(method, *parameters, read=read)

    def ask_all(
        self, method: str, asked: Sequence[tuple[Any, ...]], *, read: Callable[[tuple[Any, ...], Any], T]
    ) -> list[T]:
        """`ask` for each of these parameters, a hundred in one request where the node takes that."""
        found: list[T] = []
        for first in range(0, len(asked), BATCH):
            found += self._ask_together(method, asked[first : first + BATCH], read)
        return found

    def _ask_together(
        self, method: str, asked: Sequence[tuple[Any, ...]], read: Callable[[tuple[Any, ...], Any], T]
    ) -> list[T]:
        if self._takes_batches and len(asked) > 1:
            if not self._is_checked:
                self.check()
            try:
                told = self._request_all(method, asked)
            except ChainRefused:
                self._takes_batches = False
            else:
                return [
                    self._read(method, answer, partial(read, parameters))
                    for answer, parameters in zip(told, asked, strict=True)
                ]
        return [self.ask(method, *parameters, read=partial(read, parameters)) for parameters in asked]

    def check(self) -> None:
        """Raises ChainUnreachable when it speaks for another chain; then it is asked first, each time."""
        self._is_checked = False
        spoken = self._understood("eth_chainId", read=answers.number)
        if spoken != self.chain_id:
            raise ChainUnreachable(f"{self.name} speaks for chain {spoken}, HIVE_CHAIN_ID is {self.chain_id}")
        self._is_checked = True

    def height(self) -> int:
        return self.ask("eth_blockNumber", read=answers.count)

    def blocks(self, numbers: range) -> list[Block]:
        """All of them. Raises ChainBehind when it does not have one."""
        asked = [(hex(number), False) for number in numbers]
        return self.ask_all("eth_getBlockByNumber", asked, read=self._block)

    def _block(self, parameters: tuple[Any, ...], answer: Any) -> Block:
        number = int(parameters[0], 16)
        found = answers.block(answer, at=number)
        if found is None:
            raise ChainBehind(f"{self.name} does not have block {number} yet")
        return found

    def logs(
        self, query: dict[str, Any], *, first: int, last: int, read: Callable[[Any], list[T]]
    ) -> list[T]:
        """All logs of these blocks, in as many questions as the node wants them asked.

        Nodes bound ranges and results, each its own way: whatever it refuses is asked for in halves. Raises
        ChainBehind when it has not read so far: it would answer with what it has, as if that were all.
        """
        if self.height() < last:
            raise ChainBehind(f"{self.name} does not have block {last} yet")
        found: list[T] = []
        span = min(self._span_blocks or last - first + 1, last - first + 1)
        while first <= last:
            until = min(first + span - 1, last)
            bounds = {"fromBlock": hex(first), "toBlock": hex(until)}
            try:
                found += self.ask("eth_getLogs", {**query, **bounds}, read=read)
            except ChainRefused:
                if until == first:
                    raise
                self._span_blocks = span = (until - first + 1) // 2
            else:
                first = until + 1
        return found

    def _understood(self, method: str, *parameters: Any, read: Callable[[Any], T]) -> T:
        return self._read(method, self._request(method, *parameters), read)

    def _read(self, method: str, answer: Any, read: Callable[[Any], T]) -> T:
        try:
            return read(answer)
        except answers.UNREADABLE:
            told = f"{self.name}: {method}: it makes no sense: {str(answer)[:60]}"
            raise ChainUnreachable(told) from None

    def _request(self, method: str, *parameters: Any) -> Any:
        answer = self._said(
            method, lambda: self._provider.make_request(RPCEndpoint(method), list(parameters))
        )
        return self._result(method, answer)

    def _request_all(self, method: str, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        questions = [(RPCEndpoint(method), list(parameters)) for parameters in asked]
        told = self._said(method, lambda: self._provider.make_batch_request(questions))
        if not isinstance(told, list):
            told = [self._result(method, told)]
        if len(told) != len(asked):
            raise ChainUnreachable(f"{self.name}: {method}: {len(told)} answers to {len(asked)} questions")
        return [self._result(method, answer) for answer in told]

    def _said(self, method: str, request: Callable[[], Any]) -> Any:
        try:
            return request()
        except HTTPError as error:
            told = f"{self.name}: {method}: HTTP status {error.response.status_code}"
            refused = error.response.status_code in NOT_TAKEN
            raise (ChainRefused(told) if refused else ChainUnreachable(told)) from None
        except (RequestException, Web3Exception, OSError, *answers.UNREADABLE) as error:
            raise ChainUnreachable(f"{self.name}: {method}: {without_keys(str(error))}"[:300]) from None

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, dict):
            raise ChainUnreachable(f"{self.name}: {method}: it does not speak JSON-RPC")
        if answer.get("error"):
            raise ChainRefused(f"{method}: {_words(answer['error'])}"[:300])
        return answer.get("result")


def name_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def without_keys(text: str) -> str:
    """Addresses in it end at their host: paths and queries of JSON-RPC nodes are keys."""
    return _PATH.sub(r"\1/…", text)


def _words(error: Any) -> str:
    return str(error.get("message", error) if isinstance(error, dict) else error)
