"""What the Bee does about what it should run: `decide(state, event, now) -> (state, effects)`. All pure.

Level-triggered: the Queen's wanted set, the leases and what is known of each run are held against each
other after every event, and each slot takes at most one step at a time (`busy`) until the two agree. `now`
and every `..._at` are seconds on the boot clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agent.pausing import REASON as PAUSED
from agent.protocol import ObservedAssignment, RunState
from agent.slots import (
    TCP,
    Adopted,
    Effect,
    Ended,
    Event,
    Finish,
    Forbid,
    Freeze,
    Frozen,
    Leave,
    OfSlot,
    Pause,
    Probe,
    Probed,
    Renew,
    Slot,
    Start,
    Started,
    StartFailed,
    State,
    Stop,
    Stuck,
    Tick,
    WantedSet,
)

POLL_S = 1.0
"""How often a run without a health check is looked at."""
STARTING_PROBE_S = 0.2
"""How often one that has not been healthy yet is probed: the sooner it is seen, the sooner it is routed."""
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
CRASHES = 5
"""Ends in a row without a healthy minute after which the Bee gives up and the Queen decides."""
STEADY_S = 60.0
FREEZE_AGAIN_S = 2.0
KEEP_ENDED_S = 60.0
"""How long an ended assignment is still reported, so that one lost frame can't hide its end."""
LONGEST_REASON = 1000
LEASE_SLACK_S = 1.0
"""A lease that moved by less is not written down again."""


def decide(state: State, event: Event, now: float) -> tuple[State, list[Effect]]:
    known = state.slots.keys()
    state = _take(state, event, now)
    slots: dict[str, Slot] = {}
    effects: list[Effect] = []
    for slot in state.slots.values():
        slot, todo = _advance(slot, state, now)
        effects += todo
        if not _is_forgotten(slot, now):
            slots[slot.id] = slot
    if known != slots.keys() or any(_lease_moved(slot) for slot in slots.values()):
        slots = {id: replace(slot, lease_kept=slot.lease_until) for id, slot in slots.items()}
        effects.insert(0, Renew())
    return replace(state, slots=slots), effects


def due_at(state: State) -> float | None:
    """When a `Tick` would change something; None for never."""
    times = [time for slot in state.slots.values() for time in _times(slot, state)]
    return min(times, default=None)


def observed(state: State, now: float) -> list[ObservedAssignment]:
    """The complete set, as the Queen is told."""
    return [
        ObservedAssignment(
            assignment_id=slot.id,
            generation=slot.assignment.generation,
            state=slot.state,
            reason=slot.reason,
            endpoint=slot.run.endpoint if slot.run else "",
            retry_s=None if slot.retry_at is None else round(max(0.0, slot.retry_at - now), 1),
            restarts=slot.restarts,
        )
        for slot in state.slots.values()
    ]


def plain(text: str) -> str:
    """What a payload, a guest or a registry said, fit for a terminal and for a frame: short, and no control
    character in it."""
    return "".join(each if each.isprintable() else " " for each in text[:LONGEST_REASON])


# -- taking in an event -----------------------------------------------------------------------------------


def _take(state: State, event: Event, now: float) -> State:
    match event:
        case WantedSet():
            return replace(state, heard=True, slots=_wanted(state.slots, event, now))
        case Adopted():
            return replace(state, slots={**state.slots, event.assignment.assignment_id: _adopted(event, now)})
        case Leave():
            return replace(state, leaving=True)
        case Pause():
            return replace(state, paused=event.paused)
        case Forbid():
            return replace(state, slots={id: _forbidden(slot, event) for id, slot in state.slots.items()})
        case Tick():
            return state
    slot = state.slots.get(event.assignment_id)
    if slot is None:
        return state
    slot = _told(slot, event, now)
    return replace(state, slots={**state.slots, slot.id: replace(slot, reason=plain(slot.reason))})


def _wanted(slots: Mapping[str, Slot], event: WantedSet, now: float) -> dict[str, Slot]:
    wanted = {each.assignment_id: each for each in event.assignments}
    result = {id: slot if id in wanted else replace(slot, wanted=False) for id, slot in slots.items()}
    for id, assignment in wanted.items():
        known = result.get(id) or Slot(assignment=assignment, lease_until=now)
        result[id] = replace(
            known,
            assignment=assignment,
            wanted=True,
            lease_until=now + assignment.lease_s,
            refusal=event.refusals.get(id, ""),
        )
    return result


def _forbidden(slot: Slot, event: Forbid) -> Slot:
    """One that is refused already keeps the first reason."""
    return slot if slot.refusal else replace(slot, refusal=event.reason)


def _adopted(event: Adopted, now: float) -> Slot:
    state = RunState.RUNNING if event.run else RunState.PREPARING
    slot = Slot(
        assignment=event.assignment,
        lease_until=event.lease_until,
        lease_kept=event.lease_until,
        state=state,
        run=event.run,
        started_at=now,
        probe_at=now,
    )
    return _frozen(slot, now) if event.paused else slot


def _told(slot: Slot, event: OfSlot, now: float) -> Slot:
    match event:
        case Started():
            return replace(
                slot,
                busy=False,
                run=event.run,
                state=RunState.RUNNING,
                reason="",
                started_at=now,
                probe_at=now,
                misses=0,
            )
        case StartFailed():
            return _failed_to_start(slot, event, now)
        case Probed() if slot.run and slot.run.run_id == event.run_id:
            return _probed(slot, event.problem, now)
        case Frozen() if slot.run and slot.run.run_id == event.run_id:
            return _took_pause(slot, event, now)
        case Stuck() if slot.run and slot.run.run_id == event.run_id:
            state = RunState.STOPPING if slot.state == RunState.STOPPING else RunState.UNHEALTHY
            return replace(slot, probing=True, state=state, reason=event.reason, healthy_at=None)
        case Ended() if slot.run and slot.run.run_id == event.run_id:
            return _ended(slot, event.reason, now)
    return replace(slot, probing=False)


def _failed_to_start(slot: Slot, event: StartFailed, now: float) -> Slot:
    crashes = slot.crashes + 1
    tried_out = crashes >= CRASHES and event.state != RunState.PREPARING
    gives_up = tried_out or event.state == RunState.FAILED
    return replace(
        slot,
        busy=False,
        crashes=crashes,
        state=RunState.FAILED if gives_up else event.state,
        reason=event.reason,
        retry_at=None if gives_up else now + _back_off_s(crashes),
    )


def _took_pause(slot: Slot, event: Frozen, now: float) -> Slot:
    slot = replace(slot, busy=False)
    if event.problem:
        return replace(slot, reason=event.problem, freeze_at=now + FREEZE_AGAIN_S)
    if event.frozen:
        return _frozen(slot, now)
    # Awake, it has the time of a start to become healthy again.
    return replace(
        slot, paused=False, state=RunState.RUNNING, reason="", started_at=now, probe_at=now, misses=0
    )


def _frozen(slot: Slot, now: float) -> Slot:
    return replace(
        slot,
        paused=True,
        state=RunState.UNHEALTHY,
        reason=PAUSED,
        healthy_at=None,
        misses=0,
        probe_at=now + POLL_S,
    )


def _probed(slot: Slot, problem: str, now: float) -> Slot:
    slot = replace(slot, probing=False)
    if slot.busy:
        return slot
    if slot.paused:
        return replace(slot, probe_at=now + POLL_S)
    if not problem:
        steady = slot.healthy_at is not None and now - slot.healthy_at >= STEADY_S
        return replace(
            slot,
            state=RunState.HEALTHY,
            reason="",
            misses=0,
            healthy_at=now if slot.healthy_at is None else slot.healthy_at,
            crashes=0 if steady else slot.crashes,
            probe_at=now + (slot.health.interval_s if slot.health else POLL_S),
        )
    return _missed(slot, problem, now)


def _missed(slot: Slot, problem: str, now: float) -> Slot:
    health = slot.health or TCP
    if slot.state == RunState.RUNNING:
        # Not healthy yet: the first `retries` intervals after the start period are for starting up.
        patience_s = health.start_period_s + health.retries * health.interval_s
        unhealthy = now - slot.started_at >= patience_s
        probe_at = now + min(STARTING_PROBE_S, health.interval_s)
    else:
        unhealthy = slot.misses + 1 >= health.retries
        probe_at = now + health.interval_s
    return replace(
        slot,
        misses=slot.misses + 1,
        state=RunState.UNHEALTHY if unhealthy else slot.state,
        reason=problem,
        healthy_at=None if unhealthy else slot.healthy_at,
        probe_at=probe_at,
    )


def _ended(slot: Slot, reason: str, now: float) -> Slot:
    slot = replace(slot, busy=False, probing=False, run=None, paused=False, healthy_at=None, misses=0)
    if slot.state == RunState.STOPPING:
        return slot
    crashes = slot.crashes + 1
    gives_up = crashes >= CRASHES
    return replace(
        slot,
        crashes=crashes,
        restarts=slot.restarts + (not gives_up),
        state=RunState.FAILED if gives_up else RunState.STARTING,
        reason=f"{reason}, {crashes} times in a row" if gives_up else reason,
        retry_at=None if gives_up else now + _back_off_s(crashes),
    )


# -- the next step of a slot ------------------------------------------------------------------------------


def _advance(slot: Slot, state: State, now: float) -> tuple[Slot, list[Effect]]:
    if slot.busy:
        return slot, []
    why_not = _why_not(slot, state, now)
    if slot.run:
        return _stop(slot, why_not) if why_not else _look_after(slot, state, now)
    return _settle(slot, why_not, now) if why_not else _start(slot, state, now)


def _why_not(slot: Slot, state: State, now: float) -> str:
    """Why it should not run; empty when it should."""
    if slot.refusal:
        return slot.refusal
    if slot.finished:
        return "it has ended here, and its metering is closed"
    if not slot.wanted:
        return "no longer wanted"
    if now >= slot.lease_until:
        return "its lease ran out"
    return "the bee's owner stopped it" if state.leaving else ""


def _stop(slot: Slot, reason: str) -> tuple[Slot, list[Effect]]:
    assert slot.run is not None
    stopping = replace(slot, state=RunState.STOPPING, reason=reason, busy=True, retry_at=None)
    return stopping, [Stop(run=slot.run, grace_s=slot.assignment.workload.stop_grace_s)]


def _look_after(slot: Slot, state: State, now: float) -> tuple[Slot, list[Effect]]:
    assert slot.run is not None
    if slot.paused != state.paused and now >= slot.freeze_at:
        return replace(slot, busy=True), [Freeze(run=slot.run, frozen=state.paused)]
    if slot.probing or now < slot.probe_at:
        return slot, []
    # What is frozen can't answer; that it lives is all there is to ask.
    return replace(slot, probing=True), [Probe(run=slot.run, health=None if slot.paused else slot.health)]


def _start(slot: Slot, state: State, now: float) -> tuple[Slot, list[Effect]]:
    waits = slot.retry_at is not None and now < slot.retry_at
    if not state.heard or waits or slot.state == RunState.FAILED:
        return slot, []
    if state.paused:
        return replace(slot, reason=PAUSED), []
    next_state = RunState.STARTING if slot.state == RunState.STARTING else RunState.PREPARING
    starting = replace(slot, state=next_state, busy=True, retry_at=None, reason="", ended_at=None)
    return starting, [Start(assignment=slot.assignment, lease_until=slot.lease_until)]


def _settle(slot: Slot, reason: str, now: float) -> tuple[Slot, list[Effect]]:
    """Nothing runs and nothing should."""
    if slot.ended_at is None:
        state = RunState.FAILED if slot.refusal or slot.state == RunState.FAILED else RunState.STOPPED
        kept = slot.reason if slot.state == RunState.FAILED and slot.reason else reason
        slot = replace(slot, state=state, reason=kept, ended_at=now, retry_at=None)
    if slot.wanted or slot.finished:
        return slot, []
    return replace(slot, finished=True), [Finish(assignment=slot.assignment)]


def _is_forgotten(slot: Slot, now: float) -> bool:
    return slot.finished and slot.ended_at is not None and now - slot.ended_at >= KEEP_ENDED_S


def _lease_moved(slot: Slot) -> bool:
    return abs(slot.lease_until - slot.lease_kept) > LEASE_SLACK_S


def _times(slot: Slot, state: State) -> list[float]:
    if slot.finished and slot.ended_at is not None:
        return [slot.ended_at + KEEP_ENDED_S]
    if slot.busy or slot.ended_at is not None:
        return []
    times = [slot.lease_until]
    if slot.run and not slot.probing:
        times.append(slot.probe_at)
    if slot.run and slot.paused != state.paused:
        times.append(slot.freeze_at)
    if slot.run is None and slot.retry_at is not None and state.heard:
        times.append(slot.retry_at)
    return times


def _back_off_s(attempt: int) -> float:
    return BACK_OFF_S[min(attempt, len(BACK_OFF_S)) - 1]
