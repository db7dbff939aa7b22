"""Every case of a replica is a row: what is seen, and the one step that follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.protocol import RunState
from apps.deployments.decide import DRAIN_S, MAX_ATTEMPTS, PROVEN, Action, Run, View, decide
from apps.deployments.replicas import AssignmentState, Replica, ReplicaState
from apps.market.models import AgreementState, DemandState
from apps.nodes.models import NodeState, Scheduling

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=5), NOW - timedelta(seconds=1)

LONG_AGO = NOW - timedelta(seconds=DRAIN_S)

PENDING, NEGOTIATING, STARTING = ReplicaState.PENDING, ReplicaState.NEGOTIATING, ReplicaState.STARTING
HEALTHY, UNHEALTHY, STOPPING = ReplicaState.HEALTHY, ReplicaState.UNHEALTHY, ReplicaState.STOPPING
STOPPED, FAILED = ReplicaState.STOPPED, ReplicaState.FAILED


def run(**fields: Any) -> Run:
    return Run(**({"observed": RunState.HEALTHY, "lease_until": LATER, "node": "bee"} | fields))


def view(state: str, **fields: Any) -> View:
    return View(**({"state": state, "since": EARLIER, "deadline_at": LATER} | fields))


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        # the way up
        (view(PENDING), Action.RESERVE),
        (view(PENDING, deadline_at=NOW), Action.GIVE_UP),
        (view(PENDING, outdated=True), Action.REPLACE),
        (view(NEGOTIATING, demand_state=DemandState.OPEN), Action.WAIT),
        (view(NEGOTIATING, demand_state=DemandState.NEGOTIATING), Action.WAIT),
        (view(NEGOTIATING, demand_state=DemandState.AGREED), Action.PLACE),
        (view(NEGOTIATING, demand_state=DemandState.AGREED, held=False), Action.REPLACE),
        (view(NEGOTIATING, demand_state=DemandState.FAILED), Action.GIVE_UP),
        (view(NEGOTIATING, demand_state=DemandState.CANCELLED), Action.REPLACE),
        (view(NEGOTIATING, demand_state=None), Action.REPLACE),
        (view(NEGOTIATING, demand_state=DemandState.OPEN, deadline_at=NOW), Action.GIVE_UP),
        (view(NEGOTIATING, demand_state=DemandState.OPEN, outdated=True), Action.REPLACE),
        (view(STARTING, run=run(observed="")), Action.WAIT),
        (view(STARTING, run=run(observed=RunState.PREPARING)), Action.WAIT),
        (view(STARTING, run=run(observed=RunState.RUNNING)), Action.WAIT),
        (view(STARTING, run=run()), Action.PASS),
        (view(STARTING, run=run(reachable=False)), Action.WAIT),
        (view(STARTING, run=run(refused="a foreign endpoint")), Action.AIL),
        (view(STARTING, run=run(observed=RunState.STARTING), deadline_at=NOW), Action.REPLACE),
        # staying up
        (view(HEALTHY, run=run()), Action.WAIT),
        (view(HEALTHY, run=run(), deadline_at=NOW), Action.WAIT),
        (view(HEALTHY, run=run(observed=RunState.UNHEALTHY)), Action.AIL),
        (view(HEALTHY, run=run(observed=RunState.STARTING)), Action.AIL),
        (view(HEALTHY, run=run(node_state=NodeState.UNKNOWN)), Action.WAIT),
        (view(UNHEALTHY, run=run()), Action.PASS),
        (view(UNHEALTHY, run=run(refused="a foreign endpoint")), Action.WAIT),
        (view(UNHEALTHY, run=run(observed=RunState.UNHEALTHY)), Action.WAIT),
        (view(UNHEALTHY, run=run(observed=RunState.UNHEALTHY), deadline_at=NOW), Action.REPLACE),
        # lost
        (view(HEALTHY, run=None), Action.REPLACE),
        (view(HEALTHY, run=run(state=AssignmentState.RELEASED)), Action.REPLACE),
        (view(HEALTHY, run=run(node_state=NodeState.OFFLINE)), Action.REPLACE),
        (view(STARTING, run=run(node_state=NodeState.BANNED)), Action.REPLACE),
        (view(HEALTHY, run=run(agreement_state=AgreementState.TERMINATED)), Action.REPLACE),
        (view(HEALTHY, run=run(lease_until=NOW)), Action.REPLACE),
        (view(HEALTHY, run=run(observed=RunState.FAILED)), Action.REPLACE),
        (view(HEALTHY, run=run(observed=RunState.STOPPED)), Action.REPLACE),
        # leaving on purpose, one at a time
        (view(HEALTHY, run=run(), outdated=True), Action.WAIT),
        (view(HEALTHY, run=run(), outdated=True, turn=True), Action.REPLACE),
        (view(UNHEALTHY, run=run(), outdated=True), Action.REPLACE),
        (view(HEALTHY, run=run(scheduling=Scheduling.DRAINING)), Action.WAIT),
        (view(HEALTHY, run=run(scheduling=Scheduling.DRAINING), turn=True), Action.REPLACE),
        (view(HEALTHY, run=run(scheduling=Scheduling.CORDONED), turn=True), Action.WAIT),
        # the way down
        (view(PENDING, wanted=False), Action.FINISH),
        (view(NEGOTIATING, wanted=False, demand_state=DemandState.OPEN), Action.FINISH),
        (view(STARTING, wanted=False, run=run()), Action.STOP),
        (view(HEALTHY, wanted=False, run=run()), Action.STOP),
        (view(UNHEALTHY, wanted=False, run=run()), Action.STOP),
        (view(STOPPING, wanted=False, run=run(state=AssignmentState.RELEASED)), Action.WAIT),
        (view(STOPPING, wanted=False, run=run(state=AssignmentState.ENDED)), Action.FINISH),
        (view(STOPPING, wanted=False, run=run(state=AssignmentState.LOST)), Action.FINISH),
        (view(STOPPING, wanted=False, run=run(lease_until=NOW)), Action.FINISH),
        (view(STOPPING, wanted=True, run=run(state=AssignmentState.RELEASED)), Action.WAIT),
        (view(FAILED, wanted=False), Action.FINISH),
        (view(STOPPED, wanted=False, deadline_at=None), Action.WAIT),
        # off the edge first
        (view(HEALTHY, outdated=True, turn=True, routed=True, run=run()), Action.LEAVE),
        (view(HEALTHY, outdated=True, turn=True, routed=True, leaving_since=NOW, run=run()), Action.WAIT),
        (view(HEALTHY, outdated=True, routed=True, leaving_since=LONG_AGO, run=run()), Action.REPLACE),
        (view(HEALTHY, routed=True, leaving_since=LONG_AGO, run=run()), Action.REPLACE),
        (view(HEALTHY, wanted=False, routed=True, run=run()), Action.LEAVE),
        (view(HEALTHY, wanted=False, routed=True, leaving_since=NOW, run=run()), Action.WAIT),
        (view(HEALTHY, wanted=False, routed=True, leaving_since=LONG_AGO, run=run()), Action.STOP),
        (view(UNHEALTHY, outdated=True, routed=True, run=run()), Action.REPLACE),
        # and up again
        (view(STOPPED, deadline_at=None), Action.REVIVE),
        (view(FAILED, deadline_at=None), Action.WAIT),
    ],
)
def test_it_decides(seen: View, action: Action) -> None:
    assert decide(seen, NOW).action == action


def test_it_says_for_whom_it_waits() -> None:
    step = decide(
        view(STARTING, image="hive/hello:1", run=run(observed=RunState.PREPARING, observed_reason="pulling")),
        NOW,
    )
    assert step.reason == "waiting for bee to start hive/hello:1: pulling"


def test_it_replaces_a_lost_node_at_once_and_uncounted() -> None:
    step = decide(view(HEALTHY, attempts=3, run=run(node_state=NodeState.OFFLINE)), NOW)
    assert (step.reason, step.attempts) == ("bee is offline", None)


def test_it_backs_off_when_generations_fail() -> None:
    failed = run(observed=RunState.FAILED, observed_reason="exit 1")
    waits = [decide(view(STARTING, attempts=n, run=failed), NOW).retry_s for n in range(MAX_ATTEMPTS - 1)]
    assert waits == [1, 2, 4, 8]
    last = decide(view(STARTING, attempts=MAX_ATTEMPTS - 1, run=failed), NOW)
    assert last.action == Action.GIVE_UP
    assert last.reason == "failed 5 times in a row, at last: bee: exit 1"


def test_it_forgets_failures_after_a_good_run() -> None:
    failed = run(observed=RunState.FAILED)
    step = decide(view(HEALTHY, attempts=MAX_ATTEMPTS - 1, since=NOW - PROVEN, run=failed), NOW)
    assert (step.action, step.attempts) == (Action.REPLACE, 1)


@pytest.mark.parametrize("state", [state for state in ReplicaState if state not in Replica.terminal_states()])
def test_it_never_waits_for_ever(state: str) -> None:
    """Past deadline and lease, whatever else is seen, every state that is not final is left."""
    for demand_state in [None, *DemandState]:
        for observed in ["", *RunState]:
            for wanted in (True, False):
                seen = view(
                    state,
                    wanted=wanted,
                    deadline_at=EARLIER,
                    demand_state=demand_state,
                    run=run(observed=observed, lease_until=EARLIER),
                )
                assert decide(seen, NOW).action not in {Action.WAIT, Action.RESERVE}


def test_it_only_takes_ways_that_the_table_has() -> None:
    leads_to = {
        Action.RESERVE: NEGOTIATING,
        Action.PLACE: STARTING,
        Action.PASS: HEALTHY,
        Action.AIL: UNHEALTHY,
        Action.GIVE_UP: FAILED,
        Action.STOP: STOPPING,
        Action.FINISH: STOPPED,
        Action.REVIVE: PENDING,
    }
    for state in ReplicaState:
        for wanted in (True, False):
            for seen in (
                view(state, wanted=wanted, run=run()),
                view(state, wanted=wanted, deadline_at=EARLIER),
            ):
                target = leads_to.get(decide(seen, NOW).action)
                assert target is None or target in Replica.TRANSITIONS[state]
