"""Several JSON-RPC nodes as one: what most say where money is decided, what all say where they may differ.

How a node stands is the order in which it is asked and what people are told; safety does not rest on it. What
decides over money needs the same answer of `quorum` nodes, whoever they are. See docs/decisions/0060.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.utils import timezone

from apps.billing.chain.answers import block
from apps.billing.chain.rpc import ChainBehind, ChainRefused, ChainUnreachable, RpcNode

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

LEFT_OUT_FOR = timedelta(seconds=15)
LEFT_OUT_AT_MOST = timedelta(minutes=5)
LIAR_OUT_FOR = timedelta(minutes=10)
LIAR_OUT_AT_MOST = timedelta(days=1)
EXAMINED_EVERY = timedelta(seconds=15)


@dataclass(slots=True)
class Standing:
    """How a node stands with us."""

    left_out: str = ""
    """Why it is asked last; "" while all is well."""
    retry_at: datetime | None = None
    tries: int = 0
    """In vain, since it was well."""
    lies: int = 0
    """How often it was called a liar: each time it is left out for twice as long."""
    height: int | None = None

    def leave_out(self, reason: str) -> None:
        """For a while, and each time it was tried in vain for twice as long."""
        wait = min(LEFT_OUT_FOR * 2 ** min(self.tries, 10), LEFT_OUT_AT_MOST)
        self.left_out, self.retry_at, self.tries = reason, timezone.now() + wait, self.tries + 1

    def call_a_liar(self, reason: str) -> None:
        """What it says can't be true if the others are right: it is not asked again soon."""
        wait = min(LIAR_OUT_FOR * 2 ** min(self.lies, 10), LIAR_OUT_AT_MOST)
        self.left_out, self.retry_at, self.lies = reason, timezone.now() + wait, self.lies + 1

    def take_back(self) -> None:
        self.left_out, self.retry_at, self.tries = "", None, 0

    @property
    def is_due(self) -> bool:
        return self.retry_at is None or self.retry_at <= timezone.now()


@dataclass
class Nodes:
    """All nodes of one chain. Not for several threads at once."""

    nodes: Sequence[RpcNode]
    quorum: int
    lag_blocks: int
    standing: dict[str, Standing] = field(default_factory=dict)
    examined_at: datetime | None = None

    def __post_init__(self) -> None:
        for at, node in enumerate(self.nodes):
            alike = sum(each.name.partition(" ")[0] == node.name for each in self.nodes[:at])
            node.name += f" ({alike + 1})" if alike else ""  # two keys at one provider
        self.standing = {node.name: Standing() for node in self.nodes}

    def in_order(self) -> list[RpcNode]:
        """Those that are well, as the settings name them; then those to try again; then the others."""
        return sorted(self.nodes, key=lambda node: _rank(self.standing[node.name]))

    # -- asking -----------------------------------------------------------------------------------------

    def agreed(self, question: Callable[[RpcNode], H]) -> H:
        """What `quorum` nodes say alike. Raises ChainUnreachable when no answer has so many."""
        answers: list[tuple[RpcNode, H]] = []
        troubles: list[Exception] = []
        for node in self.in_order():
            try:
                says = question(node)
            except (ChainUnreachable, ChainRefused) as trouble:
                self._trouble(node, trouble)
                troubles.append(trouble)
                continue
            answers.append((node, says))
            if sum(other == says for _, other in answers) >= self.quorum:
                outvoted = [who for who, other in answers if other is not None and other != says]
                self._suspect(outvoted, node)
                return says
        raise _no_quorum(self, answers, troubles)

    def several(self, question: Callable[[RpcNode], T]) -> list[T]:
        """What each of them says, `quorum` of them at least: those left out are asked only if need be."""
        said: list[T] = []
        troubles: list[Exception] = []
        for node in self.in_order():
            standing = self.standing[node.name]
            if standing.left_out and not standing.is_due and len(said) >= self.quorum:
                continue
            try:
                said.append(question(node))
            except (ChainUnreachable, ChainRefused) as trouble:
                self._trouble(node, trouble)
                troubles.append(trouble)
        if len(said) < self.quorum:
            raise _too_few(self, said, troubles)
        return said

    def all(self, question: Callable[[RpcNode], Any]) -> None:
        """Tell every node. Raises ChainRefused, ChainUnreachable when not one took it."""
        troubles: list[Exception] = []
        for node in self.in_order():
            try:
                question(node)
            except (ChainUnreachable, ChainRefused) as trouble:
                self._trouble(node, trouble)
                troubles.append(trouble)
        if len(troubles) == len(self.nodes):
            raise _worst(troubles)

    def height(self) -> int:
        """The highest block that `quorum` nodes have."""
        return sorted(self.several(self._measured), reverse=True)[self.quorum - 1]

    def _measured(self, node: RpcNode) -> int:
        height = self.standing[node.name].height = node.height()
        return height

    # -- standing ---------------------------------------------------------------------------------------

    def examine(self, *, depth: int) -> None:
        """Look at every node that is well or to be tried again: is it of this chain, alive, near, honest?"""
        heights = {
            node.name: height for node in self._to_examine() if (height := self._height(node)) is not None
        }
        if len(heights) < self.quorum:
            return
        ordered = sorted(heights.values(), reverse=True)
        number = max(ordered[self.quorum - 1] - depth + 1, 0)
        near = [node for node in self.nodes if self._is_near(node, heights, ordered[0])]
        hashes = {node.name: told for node in near if (told := self._hash(node, number))}
        self._judge(number, hashes)

    @property
    def is_examination_due(self) -> bool:
        return self.examined_at is None or not (
            self.examined_at <= timezone.now() < self.examined_at + EXAMINED_EVERY
        )

    def _to_examine(self) -> list[RpcNode]:
        self.examined_at = timezone.now()
        return [node for node in self.nodes if self.standing[node.name].is_due]

    def _height(self, node: RpcNode) -> int | None:
        try:
            node.check()
            self.standing[node.name].height = node.height()
        except (ChainUnreachable, ChainRefused) as trouble:
            self.standing[node.name].leave_out(str(trouble))
            return None
        return self.standing[node.name].height

    def _is_near(self, node: RpcNode, heights: dict[str, int], best: int) -> bool:
        if node.name not in heights:
            return False
        behind = best - heights[node.name]
        if behind > self.lag_blocks:
            self.standing[node.name].leave_out(f"it is {behind} blocks behind the others")
        return behind <= self.lag_blocks

    def _hash(self, node: RpcNode, number: int) -> str | None:
        try:
            return _hash_at(node, number)
        except (ChainUnreachable, ChainRefused) as trouble:
            self.standing[node.name].leave_out(str(trouble))
            return None

    def _judge(self, number: int, hashes: dict[str, str]) -> None:
        told = list(hashes.values())
        right = next((each for each in told if told.count(each) >= self.quorum), None)
        for name, each in hashes.items():
            if right is not None and each != right:
                self.standing[name].call_a_liar(f"it has another block {number} than the others")
            elif right is not None and self.standing[name].left_out:
                self.standing[name].take_back()

    def _trouble(self, node: RpcNode, trouble: Exception) -> None:
        """A node that is behind, or refuses, is not ill."""
        if isinstance(trouble, ChainUnreachable) and not isinstance(trouble, ChainBehind):
            self.standing[node.name].leave_out(str(trouble))

    def _suspect(self, outvoted: list[RpcNode], other: RpcNode) -> None:
        """Who answers otherwise may be on a fork; who has the same newest block has no such excuse."""
        for node in outvoted:
            if not self.standing[node.name].left_out and _share_a_head(node, other):
                reason = "it contradicts the others about blocks that it has as they do"
                self.standing[node.name].call_a_liar(reason)


def _share_a_head(one: RpcNode, other: RpcNode) -> bool:
    """Whether they have the same block at the height that both have reached."""
    try:
        number = min(one.height(), other.height())
        return _hash_at(one, number) == _hash_at(other, number) is not None
    except (ChainUnreachable, ChainRefused):
        return False


def _hash_at(node: RpcNode, number: int) -> str | None:
    found = node.ask("eth_getBlockByNumber", hex(number), False, read=partial(block, at=number))
    return found.hash if found else None


def _rank(standing: Standing) -> int:
    return 0 if not standing.left_out else 1 if standing.is_due else 2


def _worst(troubles: list[Exception]) -> Exception:
    """A refusal says more than silence; that it is known already says most."""
    refused = [each for each in troubles if isinstance(each, ChainRefused)]
    known = [each for each in refused if "already" in str(each).lower()]
    return (known or refused or troubles)[0]


def _too_few(nodes: Nodes, answers: Sequence[object], troubles: list[Exception]) -> Exception:
    """That most of them refuse is an answer."""
    refused = [each for each in troubles if isinstance(each, ChainRefused)]
    return refused[0] if len(refused) >= nodes.quorum else _no_quorum(nodes, answers, troubles)


def _no_quorum(nodes: Nodes, answers: Sequence[object], troubles: list[Exception]) -> Exception:
    if not answers or len(nodes.nodes) == 1:
        return _worst(troubles)
    names = ", ".join(node.name for node in nodes.nodes)
    why = f"; {troubles[0]}" if troubles else ""
    return ChainUnreachable(
        f"of {names}, {len(answers)} answered and no {nodes.quorum} of them said the same{why}"[:400]
    )
