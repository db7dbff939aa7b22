"""kill -9 between any two steps of a whole cycle of money: a new process goes on, and nobody can tell.

Each stage is played once undisturbed, which counts its steps. Then, for each step, from the same database
and the same chain: a process is killed right after it, and another one does the stage from its beginning. If
books and chain are then what they were without the kill, so is all that follows; if they are not (a payment
waits a little to be sent again), it goes on through the remaining stages, and they must be at the very end.

`--every-kill` kills after mere questions to the chain too, and always goes on to the very end: minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from tests.billing.simulation.databases import copy_of
from tests.billing.simulation.errand import Errand
from tests.billing.simulation.playing import Stage
from tests.billing.simulation.scene import START
from tests.billing.simulation.walking import Walk
from tests.billing.simulation.world import World

pytestmark = [
    pytest.mark.real,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("chain"),
    pytest.mark.timeout(3600),
]


@pytest.fixture
def errand(anvil, settings) -> Iterator[Errand]:
    Stage(anvil, settings)
    with copy_of(), time_machine.travel(START, tick=False) as clock:
        yield Errand(World(anvil, clock, settings))


def test_it_comes_to_the_same_whenever_it_is_killed(errand, tmp_path, request):
    walk = Walk(errand, tmp_path / "steps")
    played = walk.undisturbed()
    steps = [step for stage in played for step in stage.steps]
    assert steps.count("eth_sendRawTransaction") >= 3, "payouts and a withdrawal"
    thoroughly = request.config.getoption("--every-kill")
    assert list(walk.kill_after_each_step(played, thoroughly=thoroughly)) == []
