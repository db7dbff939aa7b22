"""Metering: a chain of signed reports, what to ask for it, and a journal that survives being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from eth_account import Account
from msgspec.structs import replace

from agent import clock, metering, typed_data
from agent.bookkeeper import SETTLED_KEPT_MS, Bookkeeper
from agent.config import Config, Rent
from agent.journal import Journal
from agent.metering import Meter, claim_glm, cut, gather, open_meter, run_ended, run_paused, run_started
from agent.protocol import DebitNote, NoteAck, Price, Terms, UsageAck
from agent.runtimes.base import Counters, Run

pytestmark = pytest.mark.real

KEY = Account.from_key(b"\x07" * 32)
CHAIN_ID = 31337
PRICE = Price(start_glm=Decimal("0.5"), second_glm=Decimal("0.001"), cpu_second_glm=Decimal("0.002"))
CONFIG = Config(url="http://q", name="b", advertise="h", rent=Rent(threads=Decimal(1), mem_gib=Decimal(1)))


def terms(id: str = "g1") -> Terms:
    return Terms(
        agreement_id=id,
        requestor="0x" + "11" * 20,
        provider=KEY.address.lower(),
        offer_id="o",
        runtime="process",
        image="i",
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        price=PRICE,
        valid_from_ms=0,
        expires_at_ms=10**15,
    )


def used(cpu_ms: int = 0, egress_bytes: int = 0) -> Counters:
    return Counters(cpu_ms=cpu_ms, egress_bytes=egress_bytes)


def run_of(id: str = "r1") -> Run:
    return Run(run_id=id, assignment_id="a1", agreement_id="g1", runtime="process")


def a_running_meter() -> Meter:
    return run_started(open_meter(terms(), wall_ms=100_000), "r1", boot_ms=5_000)


def test_it_reports_what_was_used_in_the_interval_alone() -> None:
    meter = gather(a_running_meter(), "r1", used(300, 10), 7_000)
    first, meter = cut(meter, wall_ms=102_000, final=False, key=KEY, chain_id=CHAIN_ID)
    meter = gather(meter, "r1", used(450, 15), 8_000)
    second, meter = cut(meter, wall_ms=103_000, final=True, key=KEY, chain_id=CHAIN_ID)
    assert [(r.sequence, r.running_ms, r.cpu_ms, r.egress_bytes, r.final) for r in (first, second)] == [
        (1, 2_000, 300, 10, False),
        (2, 1_000, 150, 5, True),
    ]
    assert meter.closed


def test_it_signs_a_chain_that_anybody_can_check() -> None:
    meter = a_running_meter()
    head, ended_ms = typed_data.NO_HASH, 100_000
    for second in range(1, 4):
        meter = gather(meter, "r1", used(second), 5_000 + second * 1_000)
        report, meter = cut(
            meter, wall_ms=100_000 + second * 1_000, final=second == 3, key=KEY, chain_id=CHAIN_ID
        )
        message = typed_data.usage(report, chain_id=CHAIN_ID)
        assert (report.sequence, report.previous_hash, report.started_at_ms) == (second, head, ended_ms)
        assert Account.recover_message(message, signature=report.signature) == KEY.address
        assert typed_data.digest(message) == report.hash
        tampered = typed_data.usage(replace(report, cpu_ms=report.cpu_ms + 1), chain_id=CHAIN_ID)
        assert Account.recover_message(tampered, signature=report.signature) != KEY.address
        head, ended_ms = report.hash, report.ended_at_ms


def test_it_adds_up_runs_and_counts_no_pause_between_them() -> None:
    meter = run_ended(a_running_meter(), "r1", used(100), 6_000)
    meter = run_started(meter, "r2", 9_000)
    meter = gather(meter, "r2", used(40), 9_500)
    assert (meter.running_ms, meter.cpu_ms) == (1_500, 140)


def test_it_counts_no_time_in_which_a_run_is_paused() -> None:
    meter = run_paused(a_running_meter(), "r1", True, used(100), 6_000)
    meter = run_paused(gather(meter, "r1", used(100), 60_000), "r1", False, used(), 61_000)
    meter = run_ended(gather(meter, "r1", used(130), 62_000), "r1", used(130), 62_500)
    assert (meter.running_ms, meter.cpu_ms, meter.run_id) == (2_500, 130, "")


def test_it_takes_the_end_of_a_run_once() -> None:
    meter = run_ended(a_running_meter(), "r1", used(100), 6_000)
    assert run_ended(meter, "r1", used(900), 9_000) == meter


def test_it_counts_a_run_that_nobody_saw_end_only_as_far_as_it_was_seen() -> None:
    meter = run_ended(gather(a_running_meter(), "r1", used(100), 6_000), "r1", used(0), None)
    assert (meter.running_ms, meter.cpu_ms, meter.run_id) == (1_000, 100, "")


def test_it_never_lets_counters_fall() -> None:
    meter = gather(a_running_meter(), "r1", used(300), 6_000)
    meter = gather(meter, "r1", used(0), 7_000)
    meter = gather(meter, "r1", used(310), 8_000)
    assert meter.cpu_ms == 310


def test_it_claims_no_more_time_than_its_report_spans() -> None:
    """The wall clock was set back by an hour while ten seconds passed."""
    meter = gather(a_running_meter(), "r1", used(), 15_000)
    report, meter = cut(meter, wall_ms=100_000 - 3_600_000, final=False, key=KEY, chain_id=CHAIN_ID)
    assert (report.started_at_ms, report.ended_at_ms, report.running_ms) == (100_000, 100_000, 0)


def test_it_prices_a_report_by_golems_linear_model() -> None:
    meter = gather(a_running_meter(), "r1", used(500), 7_000)
    _, meter = cut(meter, wall_ms=102_000, final=False, key=KEY, chain_id=CHAIN_ID)
    assert meter.cost_glm == Decimal("0.5") + 2 * Decimal("0.001") + Decimal("0.5") * Decimal("0.002")
    meter = gather(meter, "r1", used(500), 8_000)
    _, after = cut(meter, wall_ms=103_000, final=False, key=KEY, chain_id=CHAIN_ID)
    assert after.cost_glm - meter.cost_glm == Decimal("0.001"), "the start price once"


def test_it_asks_no_start_price_for_what_never_ran() -> None:
    _, meter = cut(open_meter(terms(), 0), wall_ms=1, final=True, key=KEY, chain_id=CHAIN_ID)
    assert meter.cost_glm == 0


@pytest.mark.parametrize(
    ("rated", "closed", "waited_s", "asked"),
    [
        ("100", False, 0, "100"),
        ("97", False, 0, "97"),
        ("95", True, 0, "95"),
        ("120", False, 0, "100"),
        ("90", False, 0, None),
        ("90", False, 60, "100"),
        ("90", True, 0, "100"),
        ("0", False, 0, None),
    ],
)
def test_it_asks_what_was_rated_within_tolerance_and_its_own_figure_beyond(
    rated: str, closed: bool, waited_s: float, asked: str | None
) -> None:
    ack = UsageAck(agreement_id="g1", sequence=1, rated_glm=Decimal(rated), closed=closed)
    amount = claim_glm(own_glm=Decimal(100), ack=ack, tolerance_percent=Decimal(5), waited_s=waited_s)
    assert amount == (None if asked is None else Decimal(asked))


@pytest.mark.parametrize(
    ("rated", "closed", "asked"),
    [("60", True, "60"), ("58", True, "58"), ("50", True, "100"), ("60", False, None), ("0", False, None)],
)
def test_it_asks_nothing_for_what_ran_without_a_link_once_no_more_rating_is_to_be_expected(
    rated: str, closed: bool, asked: str | None
) -> None:
    ack = UsageAck(agreement_id="g1", sequence=1, rated_glm=Decimal(rated), closed=closed)
    amount = claim_glm(
        own_glm=Decimal(100),
        ack=ack,
        tolerance_percent=Decimal(5),
        waited_s=0,
        unheard_glm=Decimal(40),
    )
    assert amount == (None if asked is None else Decimal(asked))


def note_after(
    last: DebitNote | None, *, amount: str, hash: str = "0x" + "aa" * 32, closed: bool = False
) -> DebitNote | None:
    ack = UsageAck(agreement_id="g1", sequence=1, rated_glm=Decimal(amount), closed=closed)
    return metering.write_note(
        last=last, ack=ack, usage_hash=hash, amount_glm=Decimal(amount), key=KEY, chain_id=CHAIN_ID
    )


def test_it_writes_a_debit_note_only_when_it_says_something_new() -> None:
    first = note_after(None, amount="1")
    assert first and first.sequence == 1
    assert typed_data.is_signed_by(
        typed_data.debit_note(first, chain_id=CHAIN_ID), first.signature, KEY.address
    )
    assert note_after(first, amount="1") is None
    second = note_after(first, amount="2")
    assert second and second.sequence == 2
    invoice = note_after(second, amount="2", closed=True)
    assert invoice and invoice.final
    assert note_after(invoice, amount="3", closed=True) is None


# -- the journal ------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite3")


def books_of(journal: Journal) -> Bookkeeper:
    books = Bookkeeper(journal=journal, key=KEY, config=CONFIG, now_ms=clock.wall_ms)
    books.chain_id = CHAIN_ID
    return books


def test_it_goes_on_with_the_chain_after_a_restart(journal: Journal) -> None:
    books = books_of(journal)
    books.open(terms())
    books.run_started(run_of())
    books.gather(run_of(), used(10), clock.boot_s())
    books.cut_all()
    again = books_of(journal)
    assert again.knows(run_of())
    again.gather(run_of(), used(30), clock.boot_s())
    again.finish("g1")
    first, second = journal.unacked_usage()
    assert second.previous_hash == first.hash
    assert (first.cpu_ms, second.cpu_ms, second.final) == (10, 20, True)


def test_it_sends_reports_until_they_are_acknowledged(journal: Journal) -> None:
    books = books_of(journal)
    books.open(terms())
    books.run_started(run_of())
    books.cut_all()
    books.cut_all()
    books.take_usage_ack(UsageAck(agreement_id="g1", sequence=1, rated_glm=Decimal(0)))
    assert [report.sequence for report in journal.unacked_usage()] == [2]


def test_it_asks_for_payment_as_soon_as_usage_is_rated(journal: Journal) -> None:
    books = books_of(journal)
    books.open(terms())
    books.run_started(run_of())
    books.gather(run_of(), used(500), clock.boot_s())
    books.finish("g1")
    (report,) = journal.unacked_usage()
    own = metering.cost_glm(report, PRICE)
    books.take_usage_ack(UsageAck(agreement_id="g1", sequence=1, rated_glm=Decimal(0)))
    assert journal.unacked_notes() == [], "it waits for the rating"
    books.take_usage_ack(UsageAck(agreement_id="g1", sequence=1, rated_glm=own, closed=True))
    (note,) = journal.unacked_notes()
    assert (note.amount_glm, note.usage_hash, note.final) == (own, report.hash, True)


def test_it_knows_what_ran_while_there_was_no_link(journal: Journal) -> None:
    books, begun_s = books_of(journal), clock.boot_s()
    books.open(terms())
    books.run_started(run_of())
    books.gather(run_of(), used(), begun_s + 10)
    books.queen_heard()
    books.gather(run_of(), used(), begun_s + 30)
    books.checkpoint()

    again = books_of(journal)  # the agent was away for half a minute
    again.link_opened()
    again.gather(run_of(), used(), begun_s + 60)
    again.queen_heard()
    again.gather(run_of(), used(), begun_s + 70)
    again.checkpoint()

    meter = journal.meter("g1")
    assert meter and meter.unheard_glm == 50 * PRICE.second_glm
    assert meter.lately_glm == 10 * PRICE.second_glm


def test_it_knows_what_ran_without_a_link_of_an_agreement_that_ended_meanwhile(journal: Journal) -> None:
    books, begun_s = books_of(journal), clock.boot_s()
    books.open(terms())
    books.run_started(run_of())
    books.queen_heard()
    books.run_ended(run_of(), used(), begun_s + 20)
    books.finish("g1")

    books.link_opened()

    meter = journal.meter("g1")
    assert (
        meter
        and meter.closed
        and meter.unheard_glm == pytest.approx(20 * PRICE.second_glm, abs=Decimal("0.001"))
    )


def test_it_counts_nothing_for_a_run_that_left_no_trace(journal: Journal) -> None:
    books = books_of(journal)
    books.open(terms())
    books.run_started(run_of())
    books = books_of(journal)
    books.drop_lost_runs(found=set())
    books.gather(run_of(), used(10_000), clock.boot_s())
    books.finish("g1")
    (report,) = journal.unacked_usage()
    assert (report.running_ms, report.cpu_ms) == (0, 0)


def test_it_claims_after_a_power_cut_what_it_had_written_down(journal: Journal) -> None:
    """Agent and run died together: the run is found dead, and nobody knows since when."""
    started_s = clock.boot_s()
    books = books_of(journal)
    books.open(terms())
    books.run_started(run_of())
    books.gather(run_of(), used(10), started_s + 2)
    books.checkpoint()
    books.gather(run_of(), used(25), started_s + 3)
    again = books_of(journal)
    again.run_ended(run_of(), used(0), ended_s=None)
    (meter,) = journal.meters()
    assert (meter.cpu_ms, meter.run_id) == (10, "")
    assert 1_900 <= meter.running_ms <= 2_000


def test_it_closes_agreements_that_nothing_is_left_of(journal: Journal) -> None:
    books = books_of(journal)
    for id in ("g1", "g2"):
        journal.sign(terms(id), "0x", 0)
        books.open(terms(id))
    books.finish_all_but({"g2"})
    assert [(each.agreement_id, each.final) for each in journal.unacked_usage()] == [("g1", True)]
    assert [each.terms.agreement_id for each in journal.open_agreements()] == ["g2"]


def test_it_gives_up_on_reports_that_a_closed_agreement_takes_no_more(journal: Journal) -> None:
    books = books_of(journal)
    journal.sign(terms(), "0x", 0)
    books.open(terms())
    books.run_started(run_of())
    books.cut_all()
    books.take_usage_ack(UsageAck(agreement_id="g1", sequence=0, rated_glm=Decimal(0), closed=True))
    assert journal.unacked_usage() == []
    assert journal.open_agreements() == []


@dataclass
class Ledger:
    """Books whose clock the test sets."""

    journal: Journal
    now_ms: int = 1_000

    def __post_init__(self) -> None:
        self.books = Bookkeeper(journal=self.journal, key=KEY, config=CONFIG, now_ms=lambda: self.now_ms)
        self.books.chain_id = CHAIN_ID

    def used_and_ended(self, id: str) -> None:
        self.journal.sign(terms(id), "0x", self.now_ms)
        self.books.open(terms(id))
        self.books.finish(id)

    def acknowledged(self, id: str) -> None:
        ack = UsageAck(agreement_id=id, sequence=1, rated_glm=Decimal(0), closed=True)
        self.books.take_usage_ack(ack)
        self.books.take_note_ack(NoteAck(agreement_id=id, sequence=1, state="accepted"))

    def remembers(self, id: str) -> tuple[bool, bool, bool]:
        """(its signature, its usage, its note)."""
        return (
            self.journal.signature_of(terms(id)) is not None,
            self.journal.cost_up_to(id, 1) is not None,
            self.journal.last_note(id) is not None,
        )


def test_it_tells_once_that_a_note_is_disputed_and_that_it_is_over(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    books = Ledger(journal).books
    caplog.set_level("INFO", logger="hive.agent")
    for sequence in (3, 3, 4):
        books.take_note_ack(
            NoteAck(agreement_id="g1", sequence=sequence, state="disputed", reason="0.1 too much")
        )
    for _ in range(2):
        books.take_note_ack(NoteAck(agreement_id="g1", sequence=4, state="accepted", reason="as rated"))
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]
    assert "disputes debit note 3: 0.1 too much" in caplog.text
    assert "the dispute is over: as rated" in caplog.text


def test_it_forgets_what_was_settled_long_ago_when_another_agreement_ends(journal: Journal) -> None:
    ledger = Ledger(journal)
    ledger.used_and_ended("g1")
    ledger.acknowledged("g1")
    assert ledger.remembers("g1") == (True, True, True)
    ledger.now_ms += SETTLED_KEPT_MS - 1
    ledger.acknowledged("g1")  # said again, it does not end anew
    ledger.used_and_ended("g2")
    assert ledger.remembers("g1") == (True, True, True), "a moment too early"
    ledger.now_ms += 1
    ledger.used_and_ended("g3")
    assert ledger.remembers("g1") == (False, False, False)
    assert {meter.agreement_id for meter in journal.meters()} == {"g2", "g3"}


@pytest.mark.parametrize("said", ["nothing", "usage"])
def test_it_forgets_nothing_that_the_queen_has_not_acknowledged(journal: Journal, said: str) -> None:
    ledger = Ledger(journal)
    ledger.used_and_ended("g1")
    if said == "usage":
        ledger.books.take_usage_ack(
            UsageAck(agreement_id="g1", sequence=1, rated_glm=Decimal(0), closed=True)
        )
    ledger.now_ms += 10 * SETTLED_KEPT_MS
    ledger.used_and_ended("g2")
    assert ledger.remembers("g1") == (True, True, said == "usage")


def test_it_forgets_long_signed_agreements_only_if_nothing_came_of_them(journal: Journal) -> None:
    ledger = Ledger(journal)
    journal.sign(terms("unused"), "0x", ledger.now_ms)
    journal.sign(terms("runs on"), "0x", ledger.now_ms)
    ledger.books.open(terms("runs on"))
    ledger.now_ms += SETTLED_KEPT_MS
    ledger.used_and_ended("g1")
    assert [each.terms.agreement_id for each in journal.open_agreements()] == ["runs on"]


WRITER = """
import sys
from pathlib import Path
from tests.agent.test_it_keeps_books import books_of, run_of, terms, used
from agent import clock
from agent.journal import Journal
books = books_of(Journal(Path(sys.argv[1])))
books.open(terms())
books.run_started(run_of())
for cpu_ms in range(1, 1_000_000):
    books.gather(run_of(), used(cpu_ms), clock.boot_s())
    books.cut_all()
    print(cpu_ms, flush=True)
"""


def test_it_loses_no_report_when_it_is_killed_while_writing(tmp_path: Path) -> None:
    """At any moment: the chain in the journal is whole and holds at least all that was said to be written."""
    path = tmp_path / "journal.sqlite3"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    written = [int(writer.stdout.readline()) for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    written += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait()
    chain = Journal(path).unacked_usage()
    (meter,) = Journal(path).meters()
    assert len(written) <= len(chain) <= len(written) + 1
    assert [report.sequence for report in chain] == list(range(1, len(chain) + 1))
    assert all(after.previous_hash == before.hash for before, after in pairwise(chain))
    assert (meter.sequence, meter.head) == (len(chain), chain[-1].hash)
    assert sum(report.cpu_ms for report in chain) == meter.run_counters.cpu_ms == len(chain)
