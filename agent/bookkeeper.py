"""The Bee's books: meters, reports and debit notes of its agreements, in memory and in the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from decimal import Decimal

from msgspec.structs import replace

from agent import clock, metering
from agent.config import Config
from agent.journal import Journal
from agent.keys import Signer
from agent.metering import Meter
from agent.protocol import NoteAck, Terms, UsageAck
from agent.runtimes.base import Counters, Run

log = logging.getLogger("hive.agent")

SETTLED_KEPT_MS = 90 * 24 * 3600 * 1000
"""How long what is settled can still be looked up in the journal; no agreement lasts longer."""


class Bookkeeper:
    def __init__(self, *, journal: Journal, key: Signer, config: Config, now_ms: Callable[[], int]) -> None:
        """`now_ms`: the Queen's clock, by which reports are dated."""
        self._journal, self._key, self._config, self._now_ms = journal, key, config, now_ms
        self._meters: dict[str, Meter] = {
            meter.agreement_id: meter for meter in journal.meters() if not meter.closed
        }
        self._unwritten: set[str] = set()
        """Agreements whose meter has moved since it was written down."""
        self._unrated: dict[tuple[str, int], float] = {}
        """(agreement, sequence) -> since when its rating has been lagging behind, boot clock."""
        self._returning: set[str] = set()
        """Agreements of which something ran while there was no link, and is not gathered yet."""
        self._disputed: set[str] = set()
        """Agreements whose newest note the Hive disputes, as the log has told."""
        self.chain_id = 0
        """Of the Queen's chain; reports are signed for it. Nothing is cut before it is known."""

    # -- runs -----------------------------------------------------------------------------------------------

    def open(self, terms: Terms) -> None:
        """Something is assigned under this agreement: it has a meter from now on.

        Raises JournalFault: nothing begins that could not be claimed after a power cut.
        """
        if terms.agreement_id not in self._meters:
            meter = metering.open_meter(terms, self._now_ms())
            self._journal.keep_meters([meter])
            self._meters[meter.agreement_id] = meter

    def run_started(self, run: Run) -> None:
        if meter := self._meters.get(run.agreement_id):
            self._keep(metering.run_started(meter, run.run_id, _boot_ms()))

    def run_paused(self, run: Run, paused: bool, counters: Counters, at_s: float) -> None:
        """Frozen, or awake again, at `at_s`, boot clock."""
        if meter := self._meters.get(run.agreement_id):
            self._keep(
                self._noted(metering.run_paused(meter, run.run_id, paused, counters, int(at_s * 1000)))
            )

    def counts(self, run: Run) -> bool:
        """Whether the run's time is claimed: not while it is paused."""
        meter = self._meters.get(run.agreement_id)
        return meter is not None and meter.run_id == run.run_id and not meter.paused

    def knows(self, run: Run) -> bool:
        """Whether this run's time is being gathered: false for one whose start was never written down."""
        meter = self._meters.get(run.agreement_id)
        return meter is not None and meter.run_id == run.run_id

    def gather(self, run: Run, counters: Counters, alive_s: float) -> None:
        """It was alive at `alive_s`, boot clock, and had used this. In memory only, until a `checkpoint`."""
        if meter := self._meters.get(run.agreement_id):
            self._meters[run.agreement_id] = self._noted(
                metering.gather(meter, run.run_id, counters, int(alive_s * 1000))
            )

    def checkpoint(self) -> None:
        """Write down what was gathered: all that can be claimed if agent and runs die together."""
        self._unwritten |= {meter.agreement_id for meter in self._meters.values() if meter.run_id}
        self._write_down()

    def run_ended(self, run: Run, counters: Counters, ended_s: float | None) -> None:
        """`ended_s` None: nobody knows when. It is claimed up to where it was last known to live."""
        if meter := self._meters.get(run.agreement_id):
            at_ms = None if ended_s is None else int(ended_s * 1000)
            self._keep(self._noted(metering.run_ended(meter, run.run_id, counters, at_ms)))

    def drop_lost_runs(self, found: set[str]) -> None:
        """After a start: a run that left no trace ended nobody knows when, and claims no time since."""
        for meter in list(self._meters.values()):
            if meter.run_id and meter.run_id not in found:
                self._keep(replace(meter, run_id=""))

    # -- the link -------------------------------------------------------------------------------------------

    def link_opened(self) -> None:
        """What ran since the Queen was last heard, in this life or before, she has not seen running."""
        ended = [each for each in self._journal.meters() if each.closed and each.lately_glm]
        self._journal.tried(lambda: self._journal.keep_meters(map(metering.unheard, ended)))
        for meter in list(self._meters.values()):
            self._keep(metering.unheard(meter))
        self._returning = {meter.agreement_id for meter in self._meters.values() if meter.run_id}

    def queen_heard(self) -> None:
        """She is there, and with her whatever she has been told."""
        for agreement_id in self._meters.keys() - self._returning:
            self._meters[agreement_id] = metering.heard(self._meters[agreement_id])

    def _noted(self, gathered: Meter) -> Meter:
        """The first that is gathered on a new link reaches back to before it."""
        if gathered.agreement_id not in self._returning:
            return gathered
        self._returning.discard(gathered.agreement_id)
        return metering.unheard(gathered)

    # -- reports --------------------------------------------------------------------------------------------

    def cut_all(self) -> None:
        """The metering interval is over."""
        for meter in list(self._meters.values()):
            if metering.is_worth_a_report(meter):
                self._cut(meter, final=False)

    def finish(self, agreement_id: str) -> None:
        """The last report of an agreement, also of one under which nothing ever ran; its capacity is free."""
        meter = self._meters.get(agreement_id)
        if meter and self.chain_id:
            self._cut(meter, final=True)
        self._journal.tried(lambda: self._close(agreement_id))

    def _close(self, agreement_id: str) -> None:
        """Each that ends makes room in the journal: what was settled long ago is forgotten."""
        now_ms = self._now_ms()
        self._journal.close_agreement(agreement_id, now_ms)
        self._journal.forget_settled(now_ms - SETTLED_KEPT_MS)

    def finish_all_but(self, agreements: Collection[str]) -> None:
        """Nothing of the others is left here, whatever happened while the agent or the machine was off."""
        for agreement_id in self._meters.keys() - set(agreements):
            self.finish(agreement_id)

    def _cut(self, meter: Meter, *, final: bool) -> None:
        if not self.chain_id:
            return
        report, after = metering.cut(
            meter, wall_ms=self._now_ms(), final=final, key=self._key, chain_id=self.chain_id
        )
        if not self._journal.tried(lambda: self._journal.report(report, after)):
            return  # the interval goes on, and the next cut takes all of it
        self._unwritten.discard(meter.agreement_id)
        if after.closed:
            del self._meters[meter.agreement_id]
        else:
            self._meters[meter.agreement_id] = after

    def _keep(self, meter: Meter) -> None:
        self._meters[meter.agreement_id] = meter
        self._unwritten.add(meter.agreement_id)
        self._write_down()

    def _write_down(self) -> None:
        """What the disk does not take now is kept in memory until it does."""
        meters = [self._meters[id] for id in self._unwritten & self._meters.keys()]
        if self._journal.tried(lambda: self._journal.keep_meters(meters)):
            self._unwritten.clear()

    # -- acknowledgements and notes -------------------------------------------------------------------------

    def take_usage_ack(self, ack: UsageAck) -> None:
        """Forget what is stored, and ask for what is rated."""
        if not self._journal.tried(lambda: self._take_off(ack)):
            return  # she says it again
        covered = self._journal.cost_up_to(ack.agreement_id, ack.sequence)
        if covered is None:
            return
        own_glm, usage_hash = covered
        now = clock.boot_s()
        since = self._unrated.setdefault((ack.agreement_id, ack.sequence), now)
        amount = metering.claim_glm(
            own_glm=own_glm,
            ack=ack,
            tolerance_percent=self._config.rules.rated_tolerance_percent,
            waited_s=now - since,
            unheard_glm=self._unheard_glm(ack.agreement_id),
        )
        if amount is None:
            return
        self._unrated.pop((ack.agreement_id, ack.sequence))
        note = metering.write_note(
            last=self._journal.last_note(ack.agreement_id),
            ack=ack,
            usage_hash=usage_hash,
            amount_glm=amount,
            key=self._key,
            chain_id=self.chain_id,
        )
        if note:
            self._journal.tried(lambda: self._journal.add_note(note))

    def _unheard_glm(self, agreement_id: str) -> Decimal:
        meter = self._meters.get(agreement_id) or self._journal.meter(agreement_id)
        return meter.unheard_glm if meter else Decimal(0)

    def _take_off(self, ack: UsageAck) -> None:
        """When it is closed she takes no more reports; what she never stored is logged, not sent for ever."""
        self._journal.ack_usage(ack.agreement_id, ack.sequence)
        if not ack.closed:
            return
        self._journal.close_agreement(ack.agreement_id, self._now_ms())
        if refused := self._journal.drop_unacked_usage(ack.agreement_id):
            log.warning("agreement %s was closed with %d reports not taken", ack.agreement_id, refused)

    def take_note_ack(self, ack: NoteAck) -> None:
        """The log tells once that a note is disputed, and once how that ended: its owner can answer."""
        if ack.state == "disputed" and ack.agreement_id not in self._disputed:
            self._disputed.add(ack.agreement_id)
            log.warning(
                "agreement %s: the Hive disputes debit note %d: %s. The page Disputes of the Hive takes your "
                "answer; what it rated is paid all the same",
                *(ack.agreement_id, ack.sequence, ack.reason or "no reason was given"),
            )
        elif ack.state in {"accepted", "paid"} and ack.agreement_id in self._disputed:
            self._disputed.discard(ack.agreement_id)
            log.info("agreement %s: the dispute is over: %s", ack.agreement_id, ack.reason)
        self._journal.tried(lambda: self._journal.ack_notes(ack.agreement_id, ack.sequence))


def _boot_ms() -> int:
    return int(clock.boot_s() * 1000)
