"""The thin shell around `converge.decide`: performs its effects and feeds back what came of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from agent import clock
from agent.bookkeeper import Bookkeeper
from agent.converge import decide, due_at, observed
from agent.health import problem_with
from agent.journal import Journal
from agent.protocol import HealthCheck, ObservedAssignment, RunState, Workload
from agent.rules.judge import Judge
from agent.runtimes.base import Counters, ImageMissing, Order, Run, Runtime, RuntimeFault, Status
from agent.slots import (
    Adopted,
    Effect,
    Ended,
    Event,
    Finish,
    Freeze,
    Frozen,
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
)

log = logging.getLogger("hive.agent")

_RETRY_S = 2.0


class Keeper:
    def __init__(
        self,
        *,
        runtimes: Mapping[str, Runtime],
        journal: Journal,
        books: Bookkeeper,
        judge: Judge,
        node_id: str,
        advertise: str,
        on_change: Callable[[], None],
    ) -> None:
        self._runtimes, self._journal, self._books, self._judge = runtimes, journal, books, judge
        self._node_id, self._advertise, self._on_change = node_id, advertise, on_change
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._quiet = asyncio.Event()
        self._unrenewed = False
        """Leases moved and somebody does not know yet."""
        self._due: list[Effect] = []
        """Decided, and to be performed in the next round."""
        self._ending: set[str] = set()
        """Runs, by id, whose end has begun; the state knows of it a moment later."""
        self.state = State()

    # -- what others ask of it ------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        self._events.put_nowait(event)

    def observed(self) -> list[ObservedAssignment]:
        return observed(self.state, clock.boot_s())

    def runs(self) -> list[Run]:
        return [slot.run for slot in self.state.slots.values() if slot.run]

    def run_of(self, assignment_id: str, generation: int) -> Run | None:
        slot = self.state.slots.get(assignment_id)
        return slot.run if slot and slot.assignment.generation == generation else None

    async def sample(self) -> None:
        """Gather what everything that runs has used until now, and write it down."""
        for run in self.runs():
            try:
                await self._sample(run)
            except (RuntimeFault, OSError) as fault:
                log.warning("usage of %s can't be read: %s", run.assignment_id, fault)
        self._books.checkpoint()
        if self._unrenewed:
            await self._renew()

    async def _sample(self, run: Run) -> None:
        """A run that has died meanwhile is left to its probe, which asks when."""
        runtime = self._runtimes[run.runtime]
        counters, asked_s = await runtime.usage(run), clock.boot_s()
        if (await runtime.status(run)).alive:
            self._books.gather(run, counters, asked_s)

    async def stop_everything(self, patience_s: float) -> None:
        """The owner wants the machine back. Returns when nothing runs any more, or after `patience_s`."""
        self.tell(Leave())
        try:
            async with asyncio.timeout(patience_s):
                while self.runs() or not self._events.empty():
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            log.warning("%d replicas have not stopped within %g s", len(self.runs()), patience_s)

    # -- the life of it -------------------------------------------------------------------------------------

    async def adopt(self) -> None:
        """Find again what an earlier agent left running; end what nobody knows."""
        while not self._events.empty():  # a pause goes on, and wakes nothing in between
            self._decide(self._events.get_nowait())
        given = {
            each.assignment_id: (each, until) for each, until in self._journal.assignments(clock.boot_id())
        }
        found: dict[str, Run] = {}
        paused: set[str] = set()
        for runtime in self._runtimes.values():
            for run in await runtime.adopt():
                status = await runtime.status(run)
                if status.alive and run.assignment_id in given and run.assignment_id not in found:
                    found[run.assignment_id] = run
                    self._adopt_meter(run, status.paused)
                    if status.paused:
                        paused.add(run.assignment_id)
                else:
                    await self._end(run, status, grace_s=0)
        self._books.drop_lost_runs({run.run_id for run in found.values()})
        for id, (assignment, until) in given.items():
            self._decide(Adopted(assignment, until, found.get(id), id in paused))
        if found:
            log.info("adopted %d running replicas", len(found))

    def _adopt_meter(self, run: Run, paused: bool) -> None:
        """A meter that the last agent did not write down anew; of time nobody saw none is claimed."""
        if not self._books.knows(run):
            self._books.run_started(run)
        if paused and self._books.counts(run):
            self._books.run_paused(run, True, Counters(), 0)
        elif not paused and not self._books.counts(run):
            self._books.run_paused(run, False, Counters(), clock.boot_s())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                due, self._due = self._due, []
                for effect in due:
                    self._perform(effect, tasks)
                event = await self._next_event()
                before = _seen(self.state)
                self._decide(event)
                if _seen(self.state) != before:
                    self._tell_people(before)
                    self._on_change()
                self._quiet.set()

    def _decide(self, event: Event) -> None:
        self.state, effects = decide(self.state, event, clock.boot_s())
        self._due += effects
        self._ending &= {run.run_id for run in self.runs()}

    async def _next_event(self) -> Event:
        due = due_at(self.state)
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - clock.boot_s())):
                return await self._events.get()
        except TimeoutError:
            return Tick()

    def _tell_people(self, before: dict[str, tuple[RunState, str, str]]) -> None:
        for id, (state, reason, _) in _seen(self.state).items():
            was = before.get(id)
            # While it starts up each probe fails in its own words; only the next state is news.
            if was is None or state != was[0] or (reason != was[1] and state != RunState.RUNNING):
                replica = self.state.slots[id].assignment.replica
                log.info("%s %s%s", replica, state, f": {reason}" if reason else "")

    # -- effects --------------------------------------------------------------------------------------------

    def _perform(self, effect: Effect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Start():
                tasks.create_task(self._start(effect))
            case Stop():
                tasks.create_task(self._stop(effect))
            case Freeze():
                tasks.create_task(self._freeze(effect))
            case Probe():
                tasks.create_task(self._probe(effect))
            case Renew():
                tasks.create_task(self._renew())
            case Finish():
                self._books.finish(effect.assignment.agreement_id)

    async def _start(self, effect: Start) -> None:
        assignment = effect.assignment
        runtime = self._runtimes[assignment.workload.runtime]
        order = Order(
            assignment=assignment,
            node_id=self._node_id,
            advertise=self._advertise,
            lease_until_s=effect.lease_until,
        )
        try:
            await runtime.prepare(assignment.workload)
            digests = await self._digests_to_judge(runtime, assignment.workload)
            if why_not := self._judge.objection_to_image(assignment.workload, digests or ()):
                return self.tell(StartFailed(assignment.assignment_id, why_not, RunState.FAILED))
            run = await runtime.start(replace(order, judged=digests))
        except ImageMissing as fault:
            self.tell(StartFailed(assignment.assignment_id, str(fault), RunState.PREPARING))
        except RuntimeFault as fault:
            self.tell(StartFailed(assignment.assignment_id, str(fault), RunState.STARTING))
        except Exception as error:
            log.exception("%s could not be started", assignment.replica)
            self.tell(
                StartFailed(assignment.assignment_id, f"the agent failed: {error!r}", RunState.STARTING)
            )
        else:
            self._books.run_started(run)
            self.tell(Started(assignment.assignment_id, run))

    async def _digests_to_judge(self, runtime: Runtime, workload: Workload) -> frozenset[str] | None:
        """Of the image that is really there; None when neither the owner's rules nor its permit ask."""
        if not self._judge.looks_into(workload):
            return None
        return frozenset(await runtime.image_digests(workload, sha3=self._judge.wants_sha3(workload)))

    async def _stop(self, effect: Stop) -> None:
        await self._end_once(effect.run, Status(alive=True, reason="stopped"), effect.grace_s)

    async def _freeze(self, effect: Freeze) -> None:
        run, problem = effect.run, ""
        try:
            await self._pause_or_resume(run, effect.frozen)
        except Exception as error:  # whatever it is, its lease must still be able to end it
            deed = "paused" if effect.frozen else "resumed"
            problem = f"it can't be {deed}: {error}"
            log.warning("%s: %s", run.assignment_id, problem)
        self.tell(Frozen(run.assignment_id, run.run_id, effect.frozen, problem))

    async def _pause_or_resume(self, run: Run, pause: bool) -> None:
        """No moment counts in which it may have been frozen."""
        runtime = self._runtimes[run.runtime]
        if pause:
            counters, asked_s = await runtime.usage(run), clock.boot_s()
            await runtime.pause(run)
            self._books.run_paused(run, True, counters, asked_s)
        else:
            await runtime.resume(run)
            self._books.run_paused(run, False, Counters(), clock.boot_s())

    async def _probe(self, effect: Probe) -> None:
        run = effect.run
        try:
            await self._look_at(run, effect.health)
        except Exception as error:  # a health check that nobody foresaw is this replica's trouble alone
            log.exception("%s could not be probed", run.assignment_id)
            self.tell(Probed(run.assignment_id, run.run_id, f"the agent failed: {error!r}"))

    async def _look_at(self, run: Run, health: HealthCheck | None) -> None:
        runtime, asked_s = self._runtimes[run.runtime], clock.boot_s()
        try:
            status = await runtime.status(run)
        except RuntimeFault as fault:
            self.tell(Probed(run.assignment_id, run.run_id, str(fault)))
            return
        if not status.alive:
            return await self._end_once(run, status, grace_s=0)
        self._books.gather(run, Counters(), asked_s)
        problem = await problem_with(run, health, runtime) if health else ""
        self.tell(Probed(run.assignment_id, run.run_id, problem))

    async def _end_once(self, run: Run, status: Status, grace_s: float) -> None:
        """What dies while it is stopped, or is to stop while it is cleared away, ends once.

        A second ending would take the folder and the network from whatever runs there next.
        """
        if run.run_id in self._ending or run not in self.runs():
            return
        self._ending.add(run.run_id)
        try:
            await self._end(run, status, grace_s)
        except BaseException:
            self._ending.discard(run.run_id)
            raise
        self.tell(Ended(run.assignment_id, run.run_id, status.reason))

    async def _end(self, run: Run, status: Status, grace_s: float) -> None:
        """Stop it if it still runs, take its last counters and forget it; tried until the runtime obeys."""
        runtime = self._runtimes[run.runtime]
        counters, ended_s = Counters(), status.ended_s
        doing = "stopping" if status.alive else status.reason
        while True:
            try:
                counters = counters.at_least(await runtime.usage(run))
                if status.alive:
                    await runtime.stop(run, grace_s)
                    ended_s = clock.boot_s() if ended_s is None else ended_s
                    counters = counters.at_least(await runtime.usage(run))
                self._books.run_ended(run, counters, ended_s)
                return await runtime.remove(run)
            except (RuntimeFault, OSError) as fault:
                log.warning("%s can't be ended yet: %s", run.assignment_id, fault)
                self.tell(Stuck(run.assignment_id, run.run_id, f"{doing}: {fault}"))
                await asyncio.sleep(_RETRY_S)

    async def _renew(self) -> None:
        """Write leases down for the next agent and for the guards; what fails is tried with each sample."""
        slots = list(self.state.slots.values())
        leases = [(slot.assignment, slot.lease_until) for slot in slots if not slot.finished]
        kept = self._journal.tried(lambda: self._journal.keep_assignments(leases, clock.boot_id()))
        told = [await self._renewed(slot.run, slot.lease_until) for slot in slots if slot.run]
        self._unrenewed = not (kept and all(told))

    async def _renewed(self, run: Run, lease_until_s: float) -> bool:
        try:
            await self._runtimes[run.runtime].renew(run, lease_until_s)
        except (RuntimeFault, OSError) as fault:
            log.warning("the lease of %s can't be renewed yet: %s", run.assignment_id, fault)
            return False
        return True


def _seen(state: State) -> dict[str, tuple[RunState, str, str]]:
    """What is worth telling at once when it changes."""
    return {
        id: (slot.state, slot.reason, slot.run.endpoint if slot.run else "")
        for id, slot in state.slots.items()
    }
