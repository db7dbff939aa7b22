"""What happens in a month, as plain values: drawn by a `random.Random`, a seed's or Hypothesis's own."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TEAMS, BEES, OPERATORS = 3, 3, 3
CENTS = range(1, 3_000)
"""GLM's hundredths; the world adds odd digits to them, down to the last place."""
MINUTES = range(1, 700)
PERCENT = range(101)
SOME = range(12)
"""Which of the things there are then, counted around."""

NUMBERS: dict[str, tuple[range, ...]] = {
    # markets
    "begin": (range(TEAMS), range(BEES), range(1, 48)),
    "renew": (SOME, range(1, 48)),
    "end": (SOME,),
    # Bees
    "work": (SOME, MINUTES),
    "serve": (SOME, MINUTES),
    "report_twice": (SOME, MINUTES),
    "report_late": (SOME, MINUTES),
    "report_out_of_order": (SOME, MINUTES),
    "forge": (SOME, MINUTES),
    "overclaim": (SOME, MINUTES),
    "overflow": (SOME,),
    "fork": (SOME, MINUTES),
    "fall_silent": (SOME, MINUTES),
    "be_gone": (SOME,),
    "ask": (SOME, range(40)),
    # teams
    "deposit": (range(TEAMS), CENTS),
    "deposit_together": (CENTS,),
    "withdraw": (range(TEAMS), CENTS),
    "cap": (range(TEAMS), CENTS),
    "invoice": (range(TEAMS),),
    # strangers
    "stray": (CENTS,),
    # the chain
    "grow": (range(1, 8),),
    "reorganise": (range(1, 5), range(3)),
    "stall": (),
    "go_dark": (),
    # operators
    "resolve_stray": (SOME, range(2)),
    "approve": (SOME, range(OPERATORS)),
    "refuse": (SOME, range(OPERATORS)),
    "object": (SOME,),
    "decide": (SOME, PERCENT),
    "credit": (SOME, range(1, 101)),
    # time
    "step_clock": (range(-900, 900),),
}
WEIGHTS = {"work": 6, "begin": 4, "deposit": 4, "serve": 2, "ask": 3, "grow": 3, "reorganise": 2, "renew": 2}
_BAG = [verb for verb in NUMBERS for _ in range(WEIGHTS.get(verb, 1))]


@dataclass(frozen=True, slots=True)
class Act:
    """One verb of `World`, with its numbers."""

    verb: str
    numbers: tuple[int, ...]

    def __repr__(self) -> str:
        return f"Act({self.verb!r}, {self.numbers})"


Day = tuple[Act, ...]
Story = tuple[Day, ...]


def tell(random: Random, *, days: int, acts_a_day: int) -> Story:
    """As many days, each with up to so many acts; the first one brings money and work for all."""
    first = [Act("deposit", (team, 2_000 + team)) for team in range(TEAMS)]
    first += [Act("grow", (5,)), *(Act("begin", (each % TEAMS, each % BEES, 24)) for each in range(TEAMS))]
    others = (_day(random, random.randrange(acts_a_day + 1)) for _ in range(days - 1))
    return (tuple(first), *others)


def with_a_bad_clock(story: Story, random: Random, *, by_s: int) -> Story:
    """The same, but before each act the Queen's clock jumps to up to so many seconds off the right time."""
    return tuple(
        tuple(each for act in day for each in (Act("step_clock", (random.randint(-by_s, by_s),)), act))
        for day in story
    )


def _day(random: Random, acts: int) -> Day:
    return tuple(_act(random, random.choice(_BAG)) for _ in range(acts))


def _act(random: Random, verb: str) -> Act:
    return Act(verb, tuple(random.randrange(each.start, each.stop) for each in NUMBERS[verb]))
