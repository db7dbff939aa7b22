"""A month of teams, Bees, faults and reorganisations, told by Hypothesis, on a real PostgreSQL and anvil.

`--months N` plays so many of Hypothesis's stories. One that fails is shrunk and shown as values, which
`Stage.play` takes as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.billing.simulation.playing import Stage
from tests.billing.simulation.story import tell, with_a_bad_clock

pytestmark = [
    pytest.mark.real,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("chain"),
    pytest.mark.timeout(3600),
]

DAYS, ACTS_A_DAY = 30, 6


@pytest.fixture
def stage(anvil, settings) -> Iterator[Stage]:
    yield Stage(anvil, settings)


def test_it_ends_a_month_without_a_difference(stage, request):
    @settings(
        max_examples=request.config.getoption("--months"),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(random=st.randoms(use_true_random=False))
    def any_month(random: Random) -> None:
        story = tell(random, days=DAYS, acts_a_day=ACTS_A_DAY)
        note(f"story: {story}")
        month = stage.play(story)
        assert month.differences == []

    any_month()


def test_it_comes_to_the_same_books_from_the_same_seed(stage):
    first, second = (stage.play(tell(Random(5), days=DAYS, acts_a_day=ACTS_A_DAY)) for _ in range(2))
    assert first.differences == []
    assert first.books == second.books
    assert first.refused == second.refused
    assert stage.play(tell(Random(6), days=2, acts_a_day=ACTS_A_DAY)).books != first.books


def test_it_bears_a_clock_that_jumps(stage):
    """By up to three days, back and forth, before whatever happens: deadlines pass early and come again."""
    days = tell(Random(8), days=8, acts_a_day=ACTS_A_DAY)
    assert stage.play(with_a_bad_clock(days, Random(9), by_s=3 * 86_400)).differences == []
