"""Walking through an errand, and killing the process that does it after each step of each stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from itertools import accumulate, islice
from pathlib import Path

from apps.billing.models import Transaction
from apps.money import plain
from tests.billing.chain_of_tests import Anvil
from tests.billing.simulation.books import books
from tests.billing.simulation.databases import copy_of
from tests.billing.simulation.errand import Errand
from tests.billing.simulation.killing import in_child, leaves_a_trace
from tests.billing.simulation.truth import Moved, coin, differences


@contextmanager
def undone(anvil: Anvil) -> Iterator[None]:
    """Afterwards nothing has happened, neither in the database nor on the chain."""
    state = anvil.ask("evm_snapshot")
    with copy_of():
        yield
    anvil.ask("evm_revert", state)


@dataclass(frozen=True)
class Outcome:
    """What is in the books, and what the chain itself says left the treasury, by recipient.

    `standing`: the states that transactions are in, each with whether its gas is booked. How many carry the
    same payments, and what they cost, may differ; that one is left behind may not.
    """

    books: str
    paid: dict[str, str]
    standing: frozenset[tuple[str, bool]]


@dataclass(frozen=True)
class Played:
    """A stage without a kill: its steps, and how things stood at its end."""

    steps: list[str]
    outcome: Outcome


class Walk:
    """In the database of the connection and on this chain, both as the errand found them."""

    def __init__(self, errand: Errand, log: Path) -> None:
        self.errand, self.anvil, self.log = errand, errand.world.anvil, log
        self.stages = errand.stages()
        self.instants = list(accumulate((span for _, span, _ in self.stages), initial=errand.world.now))[1:]

    def undisturbed(self) -> list[Played]:
        """The whole of it; afterwards nothing of it has happened."""
        with undone(self.anvil):
            return [self._play(number) for number in range(len(self.stages))]

    def kill_after_each_step(self, expected: list[Played], *, thoroughly: bool = False) -> Iterator[str]:
        """What a kill changed, and what is wrong at the end of all, a sentence each.

        `thoroughly`: after questions to the chain too, which leave no trace behind; and each goes on through
        all stages, though it is in step again at the end of its own.
        """
        with ExitStack() as stack:
            for number, played in enumerate(expected):
                for step, what in enumerate(played.steps, start=1):
                    if thoroughly or leaves_a_trace(what):
                        told = self._kill(number, step, expected, to_the_end=thoroughly)
                        if told:
                            yield f"{self.stages[number][0]}: killed after step {step}, {what}: {told}"
                stack.enter_context(copy_of())
                self._play(number)
            yield from differences(self.anvil, self.errand.world.contracts)

    def _kill(self, number: int, step: int, expected: list[Played], *, to_the_end: bool) -> str:
        """What is another than without the kill; empty when nothing is."""
        with undone(self.anvil):
            try:
                return self._killed(number, step, expected, to_the_end=to_the_end)
            except AssertionError as error:  # a later process failed
                return str(error)

    def _killed(self, number: int, step: int, expected: list[Played], *, to_the_end: bool) -> str:
        self._begin(number)
        in_child(self.stages[number][2], log=self.log, dies_after=step)
        if self._play(number).outcome == expected[number].outcome and not to_the_end:
            return ""
        for later in range(number + 1, len(self.stages)):
            self._play(later)
        return _difference(expected[-1].outcome, self._outcome()) or "\n".join(coin(self.anvil))

    def _play(self, number: int) -> Played:
        self._begin(number)
        steps = in_child(self.stages[number][2], log=self.log)
        return Played(steps, self._outcome())

    def _begin(self, number: int) -> None:
        self.errand.world.be_at(self.instants[number])

    def _outcome(self) -> Outcome:
        went = Moved(self.anvil).went
        sent = Transaction.objects.values_list("state", "gas_coin")
        return Outcome(
            books=books(with_times=False, with_gas=False),
            paid={to: plain(amount) for to, amount in went.items()},
            standing=frozenset((state, gas is not None) for state, gas in sent),
        )


def _difference(expected: Outcome, found: Outcome) -> str:
    """The first lines of it."""
    if found.paid != expected.paid:
        return f"{found.paid} was paid, not {expected.paid}"
    if found.standing != expected.standing:
        return f"transactions are {sorted(found.standing)}, not {sorted(expected.standing)}"
    lines = unified_diff(expected.books.splitlines(), found.books.splitlines(), n=0, lineterm="")
    return "\n".join(islice(lines, 3, 12))
