"""What the Bee decides about what it should run: pure functions, no clock, no process."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from msgspec.structs import replace

from agent.converge import (
    BACK_OFF_S,
    CRASHES,
    KEEP_ENDED_S,
    LONGEST_REASON,
    STEADY_S,
    decide,
    due_at,
    observed,
)
from agent.protocol import Assignment, HealthCheck, ObservedAssignment, RunState, Workload
from agent.runtimes.base import Run
from agent.slots import (
    Adopted,
    Effect,
    Ended,
    Event,
    Finish,
    Forbid,
    Leave,
    Probe,
    Probed,
    Renew,
    Start,
    Started,
    StartFailed,
    State,
    Stop,
    Stuck,
    Tick,
    WantedSet,
)


def given(
    id: str = "a1", lease_s: float = 60, port: int | None = 80, health: HealthCheck | None = None
) -> Assignment:
    workload = Workload(
        image="i", runtime="process", cpu_threads=Decimal(1), mem_gib=Decimal(1), port=port, health=health
    )
    return Assignment(
        assignment_id=id,
        agreement_id=f"of {id}",
        replica="web-1",
        generation=1,
        lease_s=lease_s,
        workload=workload,
    )


def run_of(id: str = "a1", number: int = 1) -> Run:
    return Run(
        run_id=f"{id} run {number}",
        assignment_id=id,
        agreement_id=f"of {id}",
        runtime="process",
        endpoint="h:1",
    )


@dataclass
class Story:
    """A Bee's state, told event by event; `now` goes on when the story says so."""

    state: State = field(default_factory=State)
    now: float = 1000.0
    effects: list[Effect] = field(default_factory=list)

    def tell(self, event: Event, after_s: float = 0) -> Story:
        self.now += after_s
        self.state, self.effects = decide(self.state, event, self.now)
        return self

    def did(self, kind: type) -> bool:
        return any(isinstance(effect, kind) for effect in self.effects)

    @property
    def only(self) -> ObservedAssignment:
        (one,) = observed(self.state, self.now)
        return one


def running(assignment: Assignment | None = None) -> Story:
    return Story().tell(WantedSet([assignment or given()])).tell(Started("a1", run_of()))


def healthy(assignment: Assignment | None = None) -> Story:
    return running(assignment).tell(Probed("a1", run_of().run_id))


def test_it_starts_what_is_wanted_once() -> None:
    story = Story().tell(WantedSet([given()]))
    assert story.effects == [Renew(), Start(given(), lease_until=1060.0)]
    assert story.only.state == RunState.PREPARING
    assert story.tell(WantedSet([given()])).effects == []


def test_it_probes_at_once_and_then_each_interval() -> None:
    story = running(given(health=HealthCheck(interval_s=5)))
    assert story.effects == [Probe(run=run_of(), health=HealthCheck(interval_s=5))]
    story.tell(Probed("a1", run_of().run_id))
    assert (story.only.state, story.only.endpoint) == (RunState.HEALTHY, "h:1")
    assert due_at(story.state) == story.now + 5
    assert story.tell(Tick(), after_s=5).did(Probe)
    assert not story.tell(Tick(), after_s=5).did(Probe), "one probe at a time"


def test_it_calls_a_workload_without_port_healthy_when_it_lives() -> None:
    story = running(given(port=None))
    assert story.effects == [Probe(run=run_of(), health=None)]


def test_it_is_patient_while_a_replica_starts_up() -> None:
    story = running(given(health=HealthCheck(interval_s=2, retries=3, start_period_s=4)))
    story.tell(Probed("a1", run_of().run_id, "refused"))
    assert (story.only.state, story.only.reason) == (RunState.RUNNING, "refused")
    story.tell(Tick(), after_s=9.9).tell(Probed("a1", run_of().run_id, "refused"))
    assert story.only.state == RunState.RUNNING
    story.tell(Tick(), after_s=0.2).tell(Probed("a1", run_of().run_id, "refused"))
    assert story.only.state == RunState.UNHEALTHY


def test_it_calls_a_replica_unhealthy_after_the_retries_and_healthy_again_after_one_pass() -> None:
    story = healthy()
    for state in (RunState.HEALTHY, RunState.HEALTHY, RunState.UNHEALTHY):
        story.tell(Tick(), after_s=2).tell(Probed("a1", run_of().run_id, "answered 500"))
        assert story.only.state == state
    assert story.tell(Tick(), after_s=2).tell(Probed("a1", run_of().run_id)).only.state == RunState.HEALTHY


def test_it_stops_what_is_no_longer_wanted_and_then_closes_its_metering() -> None:
    story = healthy().tell(WantedSet([]))
    assert story.effects == [Stop(run=run_of(), grace_s=10.0)]
    assert story.only.state == RunState.STOPPING
    story.tell(Ended("a1", run_of().run_id, "stopped"))
    assert story.effects == [Finish(given())]
    assert (story.only.state, story.only.endpoint) == (RunState.STOPPED, "")


def test_it_reports_an_end_for_a_while_and_then_forgets_it() -> None:
    story = healthy().tell(WantedSet([])).tell(Ended("a1", run_of().run_id, "stopped"))
    assert due_at(story.state) == story.now + KEEP_ENDED_S
    story.tell(Tick(), after_s=KEEP_ENDED_S)
    assert observed(story.state, story.now) == []
    assert due_at(story.state) is None


def test_it_stops_what_it_was_still_starting_when_it_was_no_longer_wanted() -> None:
    story = Story().tell(WantedSet([given()])).tell(WantedSet([]))
    assert not story.did(Stop)
    assert story.tell(Started("a1", run_of())).did(Stop)


def test_it_stops_when_the_lease_runs_out_without_being_told() -> None:
    story = healthy(given(lease_s=60))
    story.tell(Tick(), after_s=59)
    assert not story.did(Stop)
    story.tell(Tick(), after_s=1)
    assert story.did(Stop)
    story.tell(Ended("a1", run_of().run_id, "stopped"))
    assert (story.only.state, story.only.reason) == (RunState.STOPPED, "its lease ran out")
    assert not story.did(Finish), "the queen may renew it yet"


def test_it_runs_again_when_a_lease_comes_back() -> None:
    story = healthy(given(lease_s=60)).tell(Tick(), after_s=60).tell(Ended("a1", run_of().run_id, "stopped"))
    assert story.tell(WantedSet([given(lease_s=60)])).did(Start)


def test_it_takes_each_wanted_set_as_a_new_lease() -> None:
    story = healthy(given(lease_s=60)).tell(WantedSet([given(lease_s=60)]), after_s=50)
    assert story.did(Renew)
    assert not story.tell(Tick(), after_s=59).did(Stop)
    assert story.tell(Tick(), after_s=1).did(Stop)


def test_it_writes_slow_moving_leases_down_too() -> None:
    """Each set moves the lease by less than is worth a write; together they move it far."""
    story = healthy(given(lease_s=60))
    written = sum(story.tell(WantedSet([given(lease_s=60)]), after_s=0.4).did(Renew) for _ in range(10))
    assert written == 3


def test_it_never_runs_what_the_owner_forbids() -> None:
    story = Story().tell(WantedSet([given()], {"a1": "no agreement"}))
    assert not story.did(Start)
    assert (story.only.state, story.only.reason) == (RunState.FAILED, "no agreement")


def test_it_waits_with_the_reason_for_an_image_that_cannot_be_had() -> None:
    story = Story().tell(WantedSet([given(lease_s=1000)]))
    for wait_s in (*BACK_OFF_S, BACK_OFF_S[-1]):
        story.tell(StartFailed("a1", "image i is missing", RunState.PREPARING))
        assert story.only == ObservedAssignment(
            assignment_id="a1",
            generation=1,
            state=RunState.PREPARING,
            reason="image i is missing",
            retry_s=wait_s,
        )
        assert not story.tell(Tick(), after_s=wait_s - 0.1).did(Start)
        story.tell(WantedSet([given(lease_s=1000)]))
        assert story.tell(Tick(), after_s=0.1).did(Start)


def test_it_restarts_what_crashes_with_growing_pauses_and_gives_up() -> None:
    story = healthy()
    for crash in range(1, CRASHES):
        story.tell(Ended("a1", run_of(number=crash).run_id, "exited with status 1"))
        assert (story.only.state, story.only.restarts) == (RunState.STARTING, crash)
        assert story.only.retry_s == BACK_OFF_S[crash - 1]
        assert story.tell(Tick(), after_s=BACK_OFF_S[crash - 1]).did(Start)
        story.tell(WantedSet([given()])).tell(Started("a1", run_of(number=crash + 1)))
    story.tell(Ended("a1", run_of(number=CRASHES).run_id, "exited with status 1"))
    assert (story.only.state, story.only.reason) == (
        RunState.FAILED,
        "exited with status 1, 5 times in a row",
    )
    assert not story.tell(WantedSet([given()]), after_s=1000).did(Start)
    assert story.tell(WantedSet([])).effects == [Finish(given())]


def test_it_calls_nothing_healthy_that_is_over_and_can_not_be_cleared_away() -> None:
    story = healthy(given(lease_s=3600))
    story.tell(Stuck("a1", run_of().run_id, "exited with status 137: no Docker engine answers"), after_s=1)
    assert (story.only.state, story.only.reason) == (
        RunState.UNHEALTHY,
        "exited with status 137: no Docker engine answers",
    )
    assert story.tell(Tick(), after_s=600).effects == [], "it is not looked at twice"
    story.tell(Ended("a1", run_of().run_id, "exited with status 137"))
    assert story.only.state == RunState.STARTING


def test_it_goes_on_stopping_what_can_not_be_stopped_yet() -> None:
    story = healthy().tell(WantedSet([]))
    story.tell(Stuck("a1", run_of().run_id, "stopping: no Docker engine answers"))
    assert (story.only.state, story.only.reason) == (RunState.STOPPING, "stopping: no Docker engine answers")


def test_it_passes_on_words_and_no_control_of_a_terminal() -> None:
    said = "exited with status 1: \x1b]0;owned\x07\x1b[2J\0\n\u202ebye" + "x" * 2_000_000
    story = healthy()
    story.tell(Ended("a1", run_of().run_id, said))
    assert story.only.reason.startswith("exited with status 1:  ]0;owned  [2J   bye")
    assert len(story.only.reason) <= LONGEST_REASON


def test_it_forgives_crashes_after_a_steady_minute() -> None:
    story = healthy(given(lease_s=1000)).tell(Ended("a1", run_of().run_id, "exited with status 1"))
    story.tell(Tick(), after_s=1).tell(Started("a1", run_of(number=2))).tell(
        Probed("a1", run_of(number=2).run_id)
    )
    story.tell(Tick(), after_s=STEADY_S).tell(Probed("a1", run_of(number=2).run_id))
    assert story.tell(Ended("a1", run_of(number=2).run_id, "exited")).only.retry_s == BACK_OFF_S[0]


def test_it_ignores_news_of_an_earlier_run() -> None:
    story = healthy().tell(Ended("a1", "another run", "exited"))
    assert story.only.state == RunState.HEALTHY


def test_it_ignores_news_of_what_it_does_not_have() -> None:
    assert Story().tell(Started("zzz", run_of("zzz"))).state.slots == {}


def test_it_keeps_what_it_adopted_without_hearing_the_queen() -> None:
    story = Story().tell(Adopted(given(), lease_until=1030.0, run=run_of()))
    assert story.effects == [Renew(), Probe(run=run_of(), health=HealthCheck())]
    story.tell(Probed("a1", run_of().run_id))
    assert story.only.state == RunState.HEALTHY
    assert story.tell(Tick(), after_s=30).did(Stop), "but no longer than its lease"


def test_it_starts_nothing_before_it_has_heard_the_queen() -> None:
    story = Story().tell(Adopted(given(), lease_until=1030.0, run=None))
    assert not story.did(Start)
    assert due_at(story.state) == 1030.0
    assert story.tell(WantedSet([given()])).did(Start)


def test_it_never_starts_an_assignment_again_whose_metering_is_closed() -> None:
    story = healthy().tell(WantedSet([])).tell(Ended("a1", run_of().run_id, "stopped"))
    story.tell(WantedSet([given()]))
    assert not story.did(Start)
    assert not story.did(Finish)


def test_it_stops_everything_when_its_owner_leaves_but_closes_nothing() -> None:
    story = healthy().tell(Leave())
    assert story.did(Stop)
    story.tell(Ended("a1", run_of().run_id, "stopped"))
    assert (story.only.state, story.only.reason) == (RunState.STOPPED, "the bee's owner stopped it")
    assert not story.did(Finish)


def test_it_stops_what_the_owners_rules_forbid_from_now_on_and_says_why() -> None:
    story = healthy().tell(Forbid("not at this hour"))
    assert story.did(Stop)
    story.tell(Forbid("not at this hour")).tell(Ended("a1", run_of().run_id, "stopped"))
    assert (story.only.state, story.only.reason) == (RunState.FAILED, "not at this hour")
    assert not story.tell(WantedSet([given()])).did(Start), "failed is failed: the Queen places it anew"


def test_it_keeps_the_first_reason_for_a_refusal() -> None:
    story = Story().tell(WantedSet([given()], {"a1": "no agreement"})).tell(Forbid("not at this hour"))
    assert story.only.reason == "no agreement"


def test_it_tries_nothing_again_that_a_rule_forbids() -> None:
    story = Story().tell(WantedSet([given(lease_s=1000)]))
    story.tell(StartFailed("a1", "its digest is not listed", RunState.FAILED))
    assert (story.only.state, story.only.retry_s) == (RunState.FAILED, None)
    assert not story.tell(WantedSet([given(lease_s=1000)]), after_s=500).did(Start)


@pytest.mark.parametrize("event", [Tick(), WantedSet([given()]), WantedSet([])])
def test_it_takes_one_step_at_a_time(event: Event) -> None:
    story = Story().tell(WantedSet([given()])).tell(event, after_s=1000)
    assert not story.did(Start)
    assert not story.did(Stop)


def test_it_treats_assignments_apart() -> None:
    story = healthy().tell(WantedSet([given("a1"), given("a2")]))
    assert [effect.assignment.assignment_id for effect in story.effects if isinstance(effect, Start)] == [
        "a2"
    ]
    assert replace(given("a1")) == story.state.slots["a1"].assignment
