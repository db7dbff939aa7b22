"""The Bee: what it knows in this life, what it does with each message, and what it has to say.

Everything it says is level-triggered: `to_say` gives what is due now, and whatever the Queen has not
acknowledged is due again with each heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent import clock, hardware, machine, negotiate, pausing, typed_data
from agent.access import Access
from agent.bookkeeper import Bookkeeper
from agent.clock import HiveClock
from agent.config import Config
from agent.host_key import public_key_line
from agent.identity import load_or_make_key, node_id
from agent.journal import Journal, SignedAgreement, why_not_kept
from agent.keeper import Keeper
from agent.measuring import Measured
from agent.negotiate import Standing
from agent.offering import Offering
from agent.probing import Prober
from agent.protocol import (
    AgreementToSign,
    Answer,
    Answers,
    Assignment,
    Benchmarks,
    Challenge,
    DebitNotes,
    Hello,
    Message,
    NodeInfo,
    Observed,
    Offers,
    OpenStream,
    Proposal,
    Terms,
    UsageReports,
    Verdict,
    Wanted,
    Welcome,
)
from agent.rules.judge import judge_for
from agent.runtimes.base import Runtime
from agent.sifting import Sifted, spared
from agent.slots import Forbid, Pause, WantedSet
from agent.stats import Gauge

log = logging.getLogger("hive.agent")

UNUSED_AGREEMENT_S = 900.0
"""An agreement under which nothing was assigned for so long no longer counts against what is for rent."""
_JITTER = 0.1
SHORTEST_S, LONGEST_S = 0.1, 3600.0
"""Of intervals that the Queen may ask for: whatever she says, the Bee neither floods her nor goes silent."""


class Bee:
    def __init__(
        self, *, home: Path, config: Config, runtimes: Mapping[str, Runtime], poke: Callable[[], None]
    ) -> None:
        """`poke` is called when there is something new to say. Raises AgentError for an unreadable rule."""
        self.home, self.config, self.runtimes, self._poke = home, config, runtimes, poke
        self.judge = judge_for(config, home)
        self.key = load_or_make_key(home)
        self.node_id = node_id(self.key)
        self.journal = Journal(home / "journal.sqlite3")
        self.clock = HiveClock()
        self.books = Bookkeeper(journal=self.journal, key=self.key, config=config, now_ms=self.clock.now_ms)
        self.keeper = Keeper(
            runtimes=runtimes,
            journal=self.journal,
            books=self.books,
            judge=self.judge,
            node_id=self.node_id,
            advertise=config.advertise,
            on_change=self._changed,
        )
        self.is_paused = False
        """By the owner; no new work, and nothing offered."""
        self.greeted = asyncio.Event()
        """Set by the first `Welcome` of this life."""
        self.metering_interval_s = 60.0
        self._heartbeat_s = 5.0
        self._revision = 0
        self._queen = ""
        self._chain_id = 0
        self._approved: bool | None = None
        self._offering = Offering(
            config=config,
            judge=self.judge,
            runtimes=runtimes.values(),
            key=self.key,
            machine_threads=machine.all_threads(),
            properties=lambda: machine.properties(config.name, home, config.region) | hardware.cpu(),
        )
        self._answers: list[Answer] = []
        self._offers_due = self._observed_due = self._papers_due = False
        self._heartbeat_at = 0.0
        self._gauge = Gauge(home)
        self.prober, self.measured = Prober(poke), Measured(home)

    # -- greeting -------------------------------------------------------------------------------------------

    def hello(self, challenge: Challenge, enrolment_token: str | None = None) -> Hello:
        """Prove the key by signing the Queen's challenge."""
        self._queen, self._chain_id = challenge.queen.lower(), challenge.chain_id
        self.books.chain_id = challenge.chain_id
        login = typed_data.login(
            node=self.node_id, queen=challenge.queen, nonce=challenge.nonce, chain_id=challenge.chain_id
        )
        return Hello(
            node_id=self.node_id,
            signature=typed_data.sign(login, self.key),
            info=self._info(),
            enrolment_token=enrolment_token,
        )

    def welcomed(self, welcome: Welcome) -> None:
        """A new link: say everything again, since nobody knows what of it arrived."""
        self.clock.hear(welcome.now_ms)
        self.books.link_opened()
        self._pace(welcome.heartbeat_s, welcome.metering_interval_s)
        self._note_approval(welcome.approved)
        self.greeted.set()
        self._offers_due = self._papers_due = True
        self.measured.say_again()
        self._revision = 0  # a Queen whose database was restored may count from an earlier one
        self._changed()

    def _info(self) -> NodeInfo:
        return NodeInfo(
            name=self.config.name,
            agent_version=_version(),
            runtimes=sorted(self.runtimes),
            ssh_host_key=public_key_line(self.home),
            properties=machine.properties(self.config.name, self.home, self.config.region)
            | hardware.properties(),
        )

    # -- listening ------------------------------------------------------------------------------------------

    def take_wanted(self, wanted: Wanted) -> None:
        """One that is older than what this link has brought already is passed over."""
        if wanted.revision < self._revision:
            log.warning("passed over revision %d: %d was told before", wanted.revision, self._revision)
            return
        self.clock.hear(wanted.now_ms)
        self.books.queen_heard()
        self._revision = wanted.revision
        self._pace(wanted.heartbeat_s, wanted.metering_interval_s)
        self._note_approval(wanted.approved)
        for usage_ack in wanted.usage_acks:
            with spared(f"the acknowledgement of usage of {usage_ack.agreement_id}"):
                self.books.take_usage_ack(usage_ack)
        for note_ack in wanted.note_acks:
            with spared(f"the acknowledgement of notes of {note_ack.agreement_id}"):
                self.books.take_note_ack(note_ack)
        self._answer(wanted)
        self._assign(wanted)
        self._papers_due = self._papers_due or bool(self.journal.unacked_notes(limit=1))
        self._poke()

    def _answer(self, wanted: Wanted) -> None:
        rejections = wanted.rejections if isinstance(wanted, Sifted) else []
        if not (wanted.proposals or wanted.agreements or rejections):
            return
        now_ms = self.clock.now_ms()
        # One after the other: each signature takes away from what the next may have.
        self._answers = [
            *rejections,
            *(self._answer_proposal(each, now_ms) for each in wanted.proposals),
            *(self._answer_agreement(each, now_ms) for each in wanted.agreements),
        ]

    def _answer_proposal(self, asked: Proposal, now_ms: int) -> Answer:
        if self.is_paused:
            return Answer(verdict=Verdict.REJECTED, proposal_id=asked.proposal_id, reason=pausing.REASON)
        with spared(f"proposal {asked.proposal_id}") as trouble:
            return negotiate.answer_proposal(asked, self._standing(now_ms), now_ms)
        return Answer(verdict=Verdict.REJECTED, proposal_id=asked.proposal_id, reason=trouble.reason)

    def _answer_agreement(self, asked: AgreementToSign, now_ms: int) -> Answer:
        id = asked.terms.agreement_id
        with spared(f"agreement {id}") as trouble:
            return self._sign(asked, now_ms)
        return Answer(verdict=Verdict.REJECTED, agreement_id=id, reason=trouble.reason)

    def _sign(self, asked: AgreementToSign, now_ms: int) -> Answer:
        """Asked again for what it has signed, the Bee says the same again, whatever its rules are by now."""
        terms = asked.terms
        if signed := self.journal.signature_of(terms):
            return Answer(verdict=Verdict.ACCEPTED, agreement_id=terms.agreement_id, signature=signed)
        message = typed_data.agreement(terms, chain_id=self._chain_id)
        why_not = pausing.REASON if self.is_paused else ""
        why_not = why_not or negotiate.objection_to_agreement(asked, self._standing(now_ms), now_ms)
        if not why_not and not typed_data.is_signed_by(message, asked.requestor_signature, self._queen):
            why_not = f"it is not signed by the queen {self._queen}"
        if why_not:
            log.info("agreement %s refused: %s", terms.agreement_id, why_not)
            return Answer(verdict=Verdict.REJECTED, agreement_id=terms.agreement_id, reason=why_not)
        signature = typed_data.sign(message, self.key)
        self.journal.sign(terms, signature, now_ms)
        log.info("signed agreement %s: %s on %s", terms.agreement_id, terms.image, terms.runtime)
        return Answer(verdict=Verdict.ACCEPTED, agreement_id=terms.agreement_id, signature=signature)

    def _assign(self, wanted: Wanted) -> None:
        agreements = {each.terms.agreement_id: each.terms for each in self.journal.open_agreements()}
        refusals = dict(wanted.refusals) if isinstance(wanted, Sifted) else {}
        for each in wanted.assignments:
            if each.assignment_id not in refusals and (why_not := self._take_on(each, agreements)):
                refusals[each.assignment_id] = why_not
        self.keeper.tell(WantedSet(wanted.assignments, refusals))
        known = [slot.assignment.agreement_id for slot in self.keeper.state.slots.values()]
        self.books.finish_all_but({*known, *(each.agreement_id for each in wanted.assignments)})

    def _take_on(self, given: Assignment, agreements: Mapping[str, Terms]) -> str:
        """Open its meter, or say why the Bee would not run it."""
        with spared(f"assignment {given.assignment_id}") as trouble:
            why_not = negotiate.objection_to_assignment(
                given, agreements, self.runtimes, self.judge, negotiate.local_time()
            ) or why_not_kept(given)
            if not why_not:
                self.books.open(agreements[given.agreement_id])
            return why_not
        return trouble.reason

    def _standing(self, now_ms: int) -> Standing:
        rented = self._rented(now_ms)
        return Standing(
            node_id=self.node_id,
            queen=self._queen,
            rent=self.config.rent,
            judge=self.judge,
            pricing=self._offering.pricing(rented),
            runtimes=self.runtimes.keys(),
            offers=self._offering.known(now_ms),
            promised=self._offering.promised(),
            signed=rented,
            at=negotiate.local_time(),
        )

    def _rented(self, now_ms: int) -> list[Terms]:
        return [each.terms for each in self.journal.open_agreements() if _counts(each, now_ms)]

    def keep_hours(self) -> None:
        """What runs outside the hours for rent is stopped, whether the Queen can be heard or not."""
        if why_not := self.judge.objection_to_hour(negotiate.local_time()):
            self.keeper.tell(Forbid(why_not))

    def obey_pause(self) -> None:
        """Hold the owner's wish against what is: an agent that starts into a pause keeps it."""
        if (paused := pausing.is_paused(self.home)) != self.is_paused:
            log.info("paused by the owner" if paused else "the owner's pause is over")
            self.is_paused = paused
            self.keeper.tell(Pause(paused))
            self._poke()

    def _pace(self, heartbeat_s: float, metering_interval_s: float) -> None:
        """As the Queen asks, within what keeps the Bee quiet and its papers written."""
        self._heartbeat_s = min(max(heartbeat_s, SHORTEST_S), LONGEST_S)
        self.metering_interval_s = min(max(metering_interval_s, SHORTEST_S), LONGEST_S)

    def _note_approval(self, approved: bool) -> None:
        if approved != self._approved:
            log.info(
                "approved to work"
                if approved
                else "waiting for an operator's approval; nothing runs until then"
            )
        self._approved = approved

    # -- speaking -------------------------------------------------------------------------------------------

    def to_say(self) -> list[Message]:
        """Everything that is due now, in the order in which the Queen needs it."""
        now = clock.boot_s()
        heartbeat = now >= self._heartbeat_at
        messages: list[Message] = [*self.prober.to_say(), *self._offers_to_say()]
        if self._answers:
            messages.append(Answers(answers=self._answers))
            self._answers = []
        if heartbeat or self._observed_due:
            messages.append(self._observation())
            self._observed_due = False
        if heartbeat or self._papers_due:
            messages += self._papers()
            self._papers_due = False
        messages += self.measured.to_say()
        if heartbeat:
            self._heartbeat_at = now + self._heartbeat_s * random.uniform(1 - _JITTER, 1 + _JITTER)
        return messages

    def silent_for_s(self) -> float:
        """How long until the next heartbeat is due."""
        return max(0.0, self._heartbeat_at - clock.boot_s())

    def _offers_to_say(self) -> list[Message]:
        now_ms = self.clock.now_ms()
        rented = self._rented(now_ms)
        if self._offering.renew(rented, paused=self.is_paused, chain_id=self._chain_id, now_ms=now_ms):
            self._offers_due = True
        if not self._offers_due:
            return []
        self._offers_due = False
        return [Offers(offers=self._offering.newest)]

    def _observation(self) -> Observed:
        return Observed(
            revision=self._revision,
            at_ms=self.clock.now_ms(),
            assignments=self.keeper.observed(),
            stats=self._gauge.read(running=len(self.keeper.runs())),
        )

    def _papers(self) -> list[Message]:
        reports, notes = self.journal.unacked_usage(), self.journal.unacked_notes()
        usage: list[Message] = [UsageReports(reports=reports)] if reports else []
        return usage + ([DebitNotes(notes=notes)] if notes else [])

    def reported(self) -> None:
        """There are new usage reports in the journal."""
        self._papers_due = True
        self._poke()

    def take_measured(self, figures: Benchmarks) -> None:
        self.measured.keep(figures)
        self._poke()

    def _changed(self) -> None:
        self._observed_due = True
        self._papers_due = True  # an end is followed by a last report
        self._poke()

    # -- consoles -------------------------------------------------------------------------------------------

    def access_to(self, stream: OpenStream) -> Access:
        """To which run a console leads; by the owner's rules perhaps to its log alone."""
        run = self.keeper.run_of(stream.assignment_id, stream.generation)
        if run is None:
            return Access(None, None, "this replica does not run here now")
        runtime = self.runtimes[run.runtime]
        allowed = self.config.rules.console
        if not (runtime.confines_console(run) if allowed is None else allowed):
            return Access(run, runtime, "the owner of this bee allows no shells (rules.console in bee.toml)")
        return Access(run, runtime)


def _counts(agreement: SignedAgreement, now_ms: int) -> bool:
    """Whether it takes from what is for rent."""
    fresh = now_ms - agreement.signed_at_ms < UNUSED_AGREEMENT_S * 1000
    return agreement.terms.expires_at_ms > now_ms and (agreement.has_meter or fresh)


def _version() -> str:
    try:
        return version("golem-hive")
    except PackageNotFoundError:
        return "0"
