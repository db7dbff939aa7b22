"""What must outlive the agent: one SQLite file in the Bee's home.

Agreements signed, assignments given, each agreement's meter (the head of its usage chain) and its reports
and debit notes, until the Queen has acknowledged them all and it was settled long ago. A report and the meter
that it moves are written in one transaction, so a kill at any moment leaves either both or neither: no usage
is lost, none is told twice.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import msgspec

from agent.errors import JournalFault
from agent.metering import Meter
from agent.protocol import Assignment, DebitNote, Terms, Usage

log = logging.getLogger("hive.agent")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS agreements (
    agreement_id TEXT PRIMARY KEY, terms BLOB NOT NULL, signature TEXT NOT NULL,
    signed_at_ms INTEGER NOT NULL, closed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS assignments (
    assignment_id TEXT PRIMARY KEY, assignment BLOB NOT NULL, lease_until_s REAL NOT NULL,
    boot_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meters (agreement_id TEXT PRIMARY KEY, meter BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS usage (
    agreement_id TEXT NOT NULL, sequence INTEGER NOT NULL, report BLOB NOT NULL, cost_glm TEXT NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (agreement_id, sequence));
CREATE TABLE IF NOT EXISTS notes (
    agreement_id TEXT NOT NULL, sequence INTEGER NOT NULL, note BLOB NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (agreement_id, sequence));
CREATE INDEX IF NOT EXISTS usage_unacked ON usage (agreement_id, sequence) WHERE acked = 0;
CREATE INDEX IF NOT EXISTS notes_unacked ON notes (agreement_id, sequence) WHERE acked = 0;
"""

# `closed` is when, in Unix milliseconds; 0 while it is open.
_SETTLED = """
SELECT agreement_id FROM agreements a
WHERE (closed BETWEEN 1 AND ? OR (closed = 0 AND signed_at_ms <= ?
       AND NOT EXISTS (SELECT 1 FROM meters m WHERE m.agreement_id = a.agreement_id)))
  AND NOT EXISTS (SELECT 1 FROM usage u WHERE u.agreement_id = a.agreement_id AND acked = 0)
  AND NOT EXISTS (SELECT 1 FROM notes n WHERE n.agreement_id = a.agreement_id AND acked = 0)
"""

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.decode


def why_not_kept(assignment: Assignment) -> str:
    """Why it could not be written down and read again; empty when it could."""
    try:
        _decode(_encode(assignment), type=Assignment)
    except (ArithmeticError, TypeError, ValueError) as fault:
        return f"this bee can't write it down: {fault}"
    return ""


class SignedAgreement(msgspec.Struct, frozen=True, kw_only=True):
    terms: Terms
    signature: str
    signed_at_ms: int
    has_meter: bool
    """Something was assigned under it."""


class Journal:
    """Whatever writes raises JournalFault when the disk does not take it; nothing is half written then."""

    def __init__(self, path: Path) -> None:
        self._is_stuck = False
        with _writing():
            path.touch(mode=0o600)  # it holds what teams put into their variables; SQLite's files follow it
            path.chmod(0o600)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def tried(self, write: Callable[[], object]) -> bool:
        """Whether it was written down. The owner is told when that begins to fail and when it works again."""
        written = self._db.total_changes
        try:
            write()
        except JournalFault as fault:
            if not self._is_stuck:
                log.error(
                    "%s: what runs goes on, new work is refused, nothing is reported until it can", fault
                )
            self._is_stuck = True
            return False
        if self._is_stuck and self._db.total_changes > written:  # what changes nothing always works
            log.info("the journal can be written again")
            self._is_stuck = False
        return True

    def _write(self, statement: str, *values: object) -> sqlite3.Cursor:
        with _writing():
            return self._db.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _writing():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    # -- agreements -----------------------------------------------------------------------------------------

    def sign(self, terms: Terms, signature: str, at_ms: int) -> None:
        self._write(
            "INSERT OR IGNORE INTO agreements (agreement_id, terms, signature, signed_at_ms)"
            " VALUES (?, ?, ?, ?)",
            terms.agreement_id,
            _encode(terms),
            signature,
            at_ms,
        )

    def signature_of(self, terms: Terms) -> str | None:
        """Ours under exactly these terms."""
        row = self._db.execute(
            "SELECT signature FROM agreements WHERE agreement_id = ? AND terms = ?",
            (terms.agreement_id, _encode(terms)),
        ).fetchone()
        return row[0] if row else None

    def open_agreements(self) -> list[SignedAgreement]:
        rows = self._db.execute(
            "SELECT terms, signature, signed_at_ms,"
            " EXISTS (SELECT 1 FROM meters m WHERE m.agreement_id = a.agreement_id)"
            " FROM agreements a WHERE closed = 0"
        )
        return [
            SignedAgreement(
                terms=_decode(terms, type=Terms), signature=signature, signed_at_ms=at, has_meter=bool(used)
            )
            for terms, signature, at, used in rows
        ]

    def close_agreement(self, agreement_id: str, at_ms: int) -> None:
        """Its capacity is free again; its usage stays until it is settled, and long enough to look it up."""
        self._write(
            "UPDATE agreements SET closed = ? WHERE agreement_id = ? AND closed = 0", at_ms, agreement_id
        )

    def forget_settled(self, before_ms: int) -> None:
        """All that is kept of agreements that were closed before then, once the Queen has acknowledged it.

        And of those that were signed before then and under which nothing was ever assigned.
        """
        settled = self._db.execute(_SETTLED, (before_ms, before_ms)).fetchall()
        if settled:
            with self._transaction() as db:
                for table in ("usage", "notes", "meters", "agreements"):
                    db.executemany(f"DELETE FROM {table} WHERE agreement_id = ?", settled)

    # -- assignments ----------------------------------------------------------------------------------------

    def keep_assignments(self, leases: list[tuple[Assignment, float]], boot_id: str) -> None:
        """The complete set with the end of each lease; what is missing is forgotten.

        One that can't be kept was refused for that; the Queen tells it again after a restart.
        """
        rows = [
            (each.assignment_id, _encode(each), until_s, boot_id)
            for each, until_s in leases
            if not why_not_kept(each)
        ]
        with self._transaction() as db:
            db.execute("DELETE FROM assignments")
            db.executemany("INSERT INTO assignments VALUES (?, ?, ?, ?)", rows)

    def assignments(self, boot_id: str) -> list[tuple[Assignment, float]]:
        """Those given since this boot; of an earlier one nothing can still run."""
        rows = self._db.execute(
            "SELECT assignment, lease_until_s FROM assignments WHERE boot_id = ?", (boot_id,)
        )
        return [(_decode(blob, type=Assignment), until_s) for blob, until_s in rows]

    # -- usage ----------------------------------------------------------------------------------------------

    def keep_meters(self, meters: Iterable[Meter]) -> None:
        """In one transaction, which is one write to the disk however many there are."""
        rows = [(meter.agreement_id, _encode(meter)) for meter in meters]
        if rows:
            with self._transaction() as db:
                db.executemany("INSERT OR REPLACE INTO meters VALUES (?, ?)", rows)

    def meters(self) -> list[Meter]:
        return [_decode(blob, type=Meter) for (blob,) in self._db.execute("SELECT meter FROM meters")]

    def meter(self, agreement_id: str) -> Meter | None:
        """Also of an agreement that is closed, until it is forgotten."""
        rows = self._db.execute("SELECT meter FROM meters WHERE agreement_id = ?", (agreement_id,))
        return next((_decode(blob, type=Meter) for (blob,) in rows), None)

    def report(self, report: Usage, meter: Meter) -> None:
        """Keep a report together with the meter after it."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO usage (agreement_id, sequence, report, cost_glm) VALUES (?, ?, ?, ?)",
                (report.agreement_id, report.sequence, _encode(report), str(meter.cost_glm)),
            )
            db.execute("INSERT OR REPLACE INTO meters VALUES (?, ?)", (meter.agreement_id, _encode(meter)))

    def unacked_usage(self, limit: int = 500) -> list[Usage]:
        rows = self._db.execute(
            "SELECT report FROM usage WHERE acked = 0 ORDER BY agreement_id, sequence LIMIT ?", (limit,)
        )
        return [_decode(blob, type=Usage) for (blob,) in rows]

    def ack_usage(self, agreement_id: str, sequence: int) -> None:
        self._write(
            "UPDATE usage SET acked = 1 WHERE agreement_id = ? AND sequence <= ? AND acked = 0",
            agreement_id,
            sequence,
        )

    def drop_unacked_usage(self, agreement_id: str) -> int:
        """Stop sending the reports of an agreement that takes none any more; how many there were."""
        statement = "UPDATE usage SET acked = 2 WHERE agreement_id = ? AND acked = 0"
        return self._write(statement, agreement_id).rowcount

    def cost_up_to(self, agreement_id: str, sequence: int) -> tuple[Decimal, str] | None:
        """(what all usage up to `sequence` costs by our own figures, hash of that report)."""
        row = self._db.execute(
            "SELECT cost_glm, report FROM usage WHERE agreement_id = ? AND sequence = ?",
            (agreement_id, sequence),
        ).fetchone()
        return (Decimal(row[0]), _decode(row[1], type=Usage).hash) if row else None

    # -- debit notes ----------------------------------------------------------------------------------------

    def add_note(self, note: DebitNote) -> None:
        self._write(
            "INSERT OR IGNORE INTO notes (agreement_id, sequence, note) VALUES (?, ?, ?)",
            note.agreement_id,
            note.sequence,
            _encode(note),
        )

    def last_note(self, agreement_id: str) -> DebitNote | None:
        row = self._db.execute(
            "SELECT note FROM notes WHERE agreement_id = ? ORDER BY sequence DESC LIMIT 1", (agreement_id,)
        ).fetchone()
        return _decode(row[0], type=DebitNote) if row else None

    def unacked_notes(self, limit: int = 500) -> list[DebitNote]:
        rows = self._db.execute(
            "SELECT note FROM notes WHERE acked = 0 ORDER BY agreement_id, sequence LIMIT ?", (limit,)
        )
        return [_decode(blob, type=DebitNote) for (blob,) in rows]

    def ack_notes(self, agreement_id: str, sequence: int) -> None:
        self._write(
            "UPDATE notes SET acked = 1 WHERE agreement_id = ? AND sequence <= ? AND acked = 0",
            agreement_id,
            sequence,
        )


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise JournalFault(f"this bee's journal can't be written: {error}") from error
