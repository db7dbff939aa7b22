"""What to do next for one replica: a plain function of what is seen, so that every case is a row of a table.

`reconcile` gathers a `View`, asks `decide`, and carries the `Step` out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agent.protocol import RunState
from apps.deployments.replicas import PLACED_STATES, AssignmentState, ReplicaState
from apps.market.models import AgreementState, DemandState
from apps.nodes.models import NodeState, Scheduling

MAX_ATTEMPTS = 5
"""So many generations that fail in a row, and the replica is given up."""
PROVEN = timedelta(seconds=60)
"""A generation that was healthy for so long starts the count of failures anew."""
POLL_S = 0.5
"""How soon a replica that waits for somebody else is looked at again; who changes it wakes it sooner."""
WATCH_S = 5.0
"""The same for one that is settled."""


DRAIN_S = 2.0
"""So long what was sent to a replica before it left the edge has to be answered; then it is stopped."""


class Action(StrEnum):
    WAIT = "wait"
    """Nothing to do now; `reason` says for whom it waits."""
    RESERVE = "reserve"
    """Hold the money and open the demand."""
    PLACE = "place"
    """An agreement is signed: assign the replica to its node."""
    PASS = "pass"
    """Its Bee says it is healthy."""
    AIL = "ail"
    """Its Bee says it is not."""
    LEAVE = "leave"
    """Have the edge send nobody to it any more; it is stopped a little later."""
    REPLACE = "replace"
    """End this generation and begin the next."""
    GIVE_UP = "give_up"
    """Fail for good."""
    STOP = "stop"
    """Tell its Bee to stop it."""
    FINISH = "finish"
    """It is gone, as wanted."""
    REVIVE = "revive"
    """It was stopped, and is wanted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    action: Action
    reason: str = ""
    retry_s: float = POLL_S
    attempts: int | None = None
    """For REPLACE: how many generations have now failed in a row; None when this one did not fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The assignment of the current generation, with its node and its agreement."""

    state: str = AssignmentState.ACTIVE
    observed: str = ""
    observed_reason: str = ""
    reachable: bool = True
    """Whether it has the endpoint that its service needs."""
    refused: str = ""
    """Why the endpoint that its service needs is not routed."""
    lease_until: datetime
    node: str = "a bee"
    node_state: str = NodeState.ONLINE
    scheduling: str = Scheduling.OPEN
    agreement_state: str = AgreementState.APPROVED


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A replica with all that bears on it."""

    state: str
    since: datetime
    deadline_at: datetime | None
    reason: str = ""
    attempts: int = 0
    wanted: bool = True
    outdated: bool = False
    """Its service's recipe is newer than its own."""
    turn: bool = False
    """Whether it may leave on purpose now: every other replica of its service is healthy."""
    routed: bool = False
    """Whether visitors may be on their way to it, if it is healthy."""
    leaving_since: datetime | None = None
    """Since when the edge sends nobody to it any more."""
    image: str = "its image"
    held: bool = True
    """Whether its hold is in force."""
    demand_state: str | None = None
    demand_reason: str = ""
    run: Run | None = None


def decide(view: View, now: datetime) -> Step:
    """The next step of this replica. Pure."""
    if not view.wanted or view.state == ReplicaState.STOPPING:
        return _end(view, now)
    if view.state == ReplicaState.STOPPED:
        return Step(action=Action.REVIVE, reason="wanted again")
    if view.state == ReplicaState.FAILED:
        return Step(action=Action.WAIT, reason=view.reason, retry_s=WATCH_S)
    if view.state in PLACED_STATES:
        return _placed(view, now)
    if view.deadline_at is not None and view.deadline_at <= now:
        return Step(action=Action.GIVE_UP, reason=f"gave up waiting: {view.reason}")
    if view.outdated:
        return Step(action=Action.REPLACE, reason="the deployment changed before it was placed")
    return Step(action=Action.RESERVE) if view.state == ReplicaState.PENDING else _negotiating(view)


def _end(view: View, now: datetime) -> Step:
    if view.state == ReplicaState.STOPPED:
        return Step(action=Action.WAIT, reason=view.reason, retry_s=WATCH_S)
    if view.state in {ReplicaState.FAILED, ReplicaState.PENDING, ReplicaState.NEGOTIATING}:
        return Step(action=Action.FINISH, reason="no longer wanted")
    if view.state != ReplicaState.STOPPING:
        return _off_the_edge(view, "no longer wanted", now) or Step(
            action=Action.STOP, reason="no longer wanted"
        )
    if view.run is None or view.run.state in {AssignmentState.ENDED, AssignmentState.LOST}:
        return Step(action=Action.FINISH, reason="stopped")
    if view.run.lease_until <= now:
        return Step(
            action=Action.FINISH, reason=f"{view.run.node} is silent, but the lease ran out: it stopped"
        )
    return Step(action=Action.WAIT, reason=f"waiting for {view.run.node} to stop it")


def _negotiating(view: View) -> Step:
    if view.demand_state == DemandState.FAILED:
        return Step(action=Action.GIVE_UP, reason=view.demand_reason)
    if view.demand_state in {None, DemandState.CANCELLED}:
        return Step(action=Action.REPLACE, reason="its demand was withdrawn")
    if not view.held:
        return Step(action=Action.REPLACE, reason="its hold ran out before a bee was found")
    if view.demand_state == DemandState.AGREED:
        return Step(action=Action.PLACE)
    return Step(action=Action.WAIT, reason=view.demand_reason or "looking for a bee")


def _placed(view: View, now: datetime) -> Step:
    if lost := _lost(view, now):
        return Step(action=Action.REPLACE, reason=lost)
    assert view.run is not None  # `_lost` says so otherwise
    if view.run.observed in {RunState.FAILED, RunState.STOPPED}:
        return _failed(view, f"{view.run.node}: {view.run.observed_reason or view.run.observed}", now)
    if view.state != ReplicaState.HEALTHY and view.deadline_at is not None and view.deadline_at <= now:
        return _failed(view, f"not healthy in time: {view.run.observed_reason or view.reason}", now)
    if leave := _leave(view):
        return _off_the_edge(view, leave, now) or Step(action=Action.REPLACE, reason=leave)
    return _health(view)


def _lost(view: View, now: datetime) -> str | None:
    """Why this generation can't be running, or can't be paid for."""
    run = view.run
    if run is None or run.state != AssignmentState.ACTIVE:
        return "its assignment ended"
    if run.node_state in {NodeState.OFFLINE, NodeState.BANNED}:
        return f"{run.node} is {NodeState(run.node_state).label.lower()}"
    if run.agreement_state != AgreementState.APPROVED:
        return f"its agreement with {run.node} is {AgreementState(run.agreement_state).label.lower()}"
    if run.lease_until <= now:
        return f"its lease ran out: {view.reason}"
    return None


def _leave(view: View) -> str | None:
    """Why it should leave on purpose, when it may: one of a service at a time, unless it serves nobody."""
    assert view.run is not None
    going = view.leaving_since is not None
    if view.state == ReplicaState.HEALTHY and not (view.turn or going):
        return None
    if view.outdated:
        return "the deployment changed"
    if view.run.scheduling == Scheduling.DRAINING:
        return f"{view.run.node} is being drained"
    return "it has left the edge" if going else None


def _off_the_edge(view: View, reason: str, now: datetime) -> Step | None:
    """Before it is stopped, the edge must send nobody to it any more; None once that is so."""
    if view.state != ReplicaState.HEALTHY or not view.routed:
        return None
    if view.leaving_since is None:
        return Step(action=Action.LEAVE, reason=f"about to stop: {reason}")
    left_s = DRAIN_S - (now - view.leaving_since).total_seconds()
    return Step(action=Action.WAIT, reason=view.reason, retry_s=left_s) if left_s > 0 else None


def _failed(view: View, reason: str, now: datetime) -> Step:
    good_run = view.state == ReplicaState.HEALTHY and now - view.since >= PROVEN
    return try_again(0 if good_run else view.attempts, reason)


def try_again(attempts: int, reason: str) -> Step:
    """After so many failures in a row, one more: the next generation in 1, 2, 4, ... s, or none."""
    attempts += 1
    if attempts >= MAX_ATTEMPTS:
        return Step(action=Action.GIVE_UP, reason=f"failed {attempts} times in a row, at last: {reason}")
    return Step(action=Action.REPLACE, reason=reason, attempts=attempts, retry_s=2.0 ** (attempts - 1))


def _health(view: View) -> Step:
    run = view.run
    assert run is not None
    if run.refused and view.state != ReplicaState.UNHEALTHY:
        return Step(action=Action.AIL, reason=f"{run.node}: {run.refused}")
    healthy = run.observed == RunState.HEALTHY and run.reachable and not run.refused
    if view.state == ReplicaState.HEALTHY:
        if run.observed and not healthy:
            return Step(action=Action.AIL, reason=f"{run.node}: {run.observed_reason or run.observed}")
        if view.outdated:
            return Step(action=Action.WAIT, reason="serves as it was until its turn to be replaced")
        return Step(action=Action.WAIT, reason=view.reason, retry_s=WATCH_S)
    if healthy:
        return Step(action=Action.PASS, reason=f"healthy on {run.node}")
    if view.state == ReplicaState.UNHEALTHY:
        return Step(action=Action.WAIT, reason=view.reason, retry_s=WATCH_S)
    what = f": {run.observed_reason or run.observed}" if run.observed else ""
    return Step(action=Action.WAIT, reason=f"waiting for {run.node} to start {view.image}{what}")
