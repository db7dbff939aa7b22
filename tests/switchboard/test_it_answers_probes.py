from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_account.signers.local import LocalAccount

from agent.protocol import Benchmarks, Echo, Observed, Probe, Wanted
from apps.nodes.models import Node, NodeBenchmark
from hive_portal.probing import BYTES_PER_HOUR, HOUR_S, PROBES_PER_HOUR, Probing
from tests.switchboard.portal import Bee, eventually

Dial = Callable[[LocalAccount], Bee]
HALF_MIB = 512 * 1024


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def probing(clock: Clock) -> Probing:
    return Probing(now_s=clock)


def ask(probing: Probing, node_id: str = "a", *, padding: int = 0, echo_bytes: int = 0) -> Echo | None:
    return probing.echo(node_id, Probe(probe_id=1, padding="." * padding, echo_bytes=echo_bytes))


def test_it_echoes_as_much_as_is_asked_for(probing: Probing) -> None:
    echo = probing.echo("a", Probe(probe_id=7, padding="..", echo_bytes=100))
    assert echo is not None
    assert (echo.probe_id, len(echo.padding)) == (7, 100)


def test_it_answers_so_many_an_hour_and_node(probing: Probing, clock: Clock) -> None:
    answers = [ask(probing) for _ in range(PROBES_PER_HOUR + 1)]
    assert answers[-2] is not None and answers[-1] is None
    assert ask(probing, "b") is not None, "another node has its own"

    clock.now_s += HOUR_S
    assert ask(probing) is not None


def test_it_moves_so_many_bytes_an_hour(probing: Probing) -> None:
    for _ in range(BYTES_PER_HOUR // HALF_MIB // 2):
        assert ask(probing, padding=HALF_MIB, echo_bytes=HALF_MIB) is not None
    assert ask(probing, echo_bytes=1) is None


def test_it_forgets_who_asked_long_ago(probing: Probing, clock: Clock) -> None:
    for number in range(100):
        ask(probing, str(number))
    clock.now_s += HOUR_S
    ask(probing, "late")
    assert list(probing._spent) == ["late"]


@pytest.mark.real
def test_a_probe_is_echoed_over_the_link(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    bee = dial(bee_key)
    bee.join()

    bee.say(Probe(probe_id=3, padding="." * HALF_MIB, echo_bytes=HALF_MIB))

    echo = bee.hear_a(Echo)
    assert (echo.probe_id, len(echo.padding)) == (3, HALF_MIB)


@pytest.mark.real
def test_a_flood_of_probes_costs_the_link_nothing(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    bee = dial(bee_key)
    bee.join()

    for number in range(3 * PROBES_PER_HOUR):
        bee.say(Probe(probe_id=number))
    bee.say(Observed(revision=0, at_ms=0, assignments=[]))  # not what it was told: it is told again

    heard = [bee.hear()]
    while not isinstance(heard[-1], Wanted):
        heard.append(bee.hear())
    assert sum(isinstance(message, Echo) for message in heard) == PROBES_PER_HOUR


@pytest.mark.real
def test_benchmarks_are_stored(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    bee = dial(bee_key)
    bee.join()

    bee.say(Benchmarks(at_ms=1_750_000_000_000, cpu_all=12.5, round_trip_ms=3.0))

    eventually(lambda: NodeBenchmark.objects.exists())
    node.refresh_from_db()
    assert node.benchmark is not None
    assert (node.benchmark.cpu_all, node.benchmark.round_trip_ms) == (12.5, 3.0)
