"""Queen and Bee as they are, and what goes wrong between them: cut networks, wrong clocks, one key twice."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.hive.relay import Relay
from tests.hive.whole import Bee, WholeHive, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

LEASE_S = 10
HOUR_S = 3600.0


def test_a_bee_behind_a_cut_network_stops_with_its_lease_and_none_of_that_time_is_billed(
    hive: WholeHive,
) -> None:
    with Relay(hive.url).at_work() as relay, hive.bee("behind", url=relay.url) as bee:
        before = hive.deploy("partition", lease_s=LEASE_S)
        assert before.agreement
        until(lambda: len(hive.usage(before.agreement)) >= 2)
        assert bee.replicas()
        relay.cut()
        cut_at = time.time()

        until(lambda: not bee.replicas(), within_s=LEASE_S + 5)
        stopped_at = time.time()
        assert stopped_at - cut_at <= LEASE_S + 1, "its lease was renewed before the cut, or not at all"
        until(lambda: hive.replica("partition").agreement != before.agreement, within_s=40)
        assert time.time() - stopped_at > 5, "she waits for the silence to be sure"
        relay.mend()

        until(lambda: hive.replica("partition").state == "healthy", within_s=60)
        reports = until(lambda: hive.rated_to_the_end(before.agreement))
        ran_ms = stopped_at * 1000 - reports[0].started_at_ms
        assert reports[-1].ended_at_ms > stopped_at * 1000 + 5000, "the reports span the silence, too"
        assert 0.8 * ran_ms <= sum(each.billed_running_ms or 0 for each in reports) <= ran_ms
        hive.stop("partition")


def test_an_agent_that_restarts_asks_nothing_for_the_time_in_which_nobody_heard_it(hive: WholeHive) -> None:
    with hive.bee("restarted") as bee:
        replica = hive.deploy("restarted")
        assert replica.agreement
        until(lambda: hive.usage(replica.agreement))
        bee.leave()
        time.sleep(4)  # more than the tolerance of a short agreement forgives
        bee.start()
        until(lambda: hive.team.node(bee.node_id).state == "online", within_s=30)
        hive.stop("restarted")

        until(lambda: hive.rated_to_the_end(replica.agreement), within_s=30)
        notes = until(lambda: [one for one in hive.notes(replica.agreement) if one[1]], within_s=30)
        until(lambda: all(state != "received" for state, _ in hive.notes(replica.agreement)))
        assert "disputed" not in {state for state, _ in hive.notes(replica.agreement)}, notes


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_a_machine_whose_clock_is_an_hour_off_earns(hive: WholeHive, ahead_s: float) -> None:
    name = "fast" if ahead_s > 0 else "slow"
    with hive.bee(name, clock_ahead_s=ahead_s) as bee:
        replica = hive.deploy(name)
        assert replica.agreement and replica.node_id == bee.node_id
        reports = until(
            lambda: [u for u in hive.usage(replica.agreement) if u.state == "posted"][2:], within_s=30
        )
        assert all(each.cost_glm and not each.reduced_because for each in reports)
        assert all(each.billed_running_ms == each.running_ms for each in reports)
        direction = "ahead of" if ahead_s > 0 else "behind"
        assert bee.words.count(f"clock is 3600 s {direction} the Hive's") == 1
        hive.stop(name)


def test_of_two_agents_with_one_key_the_newer_stays_and_the_older_ends_with_the_reason(
    hive: WholeHive,
) -> None:
    with hive.bee("original") as first:
        copy = Bee(first.home.with_name("copy"), hive.url)
        shutil.copytree(first.home, copy.home, ignore=shutil.ignore_patterns("journal*", "lock"))
        copy.start()
        try:
            assert first.process and first.process.wait(15) == 3
            assert "run one agent per key" in first.words
            time.sleep(2)  # two heartbeats: nobody comes back to take the link again
            assert copy.process and copy.process.poll() is None
            assert hive.team.node(copy.node_id).state == "online"
        finally:
            copy.end()
