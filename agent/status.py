"""How a Bee stands, read from its home alone: it needs no agent that runs, and disturbs none that does."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from agent import clock
from agent.config import read_config
from agent.errors import AgentError
from agent.metering import Meter
from agent.pausing import paused_since
from agent.protocol import Assignment
from agent.rules.hours import is_open, next_change


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A replica that the Hive has given to this Bee and not taken back."""

    replica: str
    image: str
    runtime: str
    runs: bool
    """It was started here and has not ended, as far as is written down, which is at most seconds old."""
    lease_left_s: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    node_id: str
    name: str
    url: str
    is_running: bool
    """An agent works with this home now."""
    paused_since: datetime | None
    for_rent: bool
    """By the owner's hours."""
    for_rent_changes_at: datetime | None
    """In local time, like the hours; None when it is for rent always."""
    replicas: list[Given]
    agreements: int
    """Under which something has run here."""
    earned_glm: Decimal
    """By the Bee's own count, since it joined."""
    unsent_reports: int
    """Reports of usage that the Hive has not confirmed yet."""


def standing_of(home: Path) -> Standing:
    """Raises AgentError where no Bee has joined."""
    config = read_config(home)
    spans, now = config.rent.spans, datetime.now()
    with closing(_journal(home)) as journal:
        agreements, earned, unsent = _books(journal)
        return Standing(
            node_id=_node_id(home),
            name=config.name,
            url=config.url,
            is_running=_is_running(home),
            paused_since=paused_since(home),
            for_rent=is_open(spans, now),
            for_rent_changes_at=next_change(spans, now),
            replicas=_given(journal),
            agreements=agreements,
            earned_glm=earned,
            unsent_reports=unsent,
        )


def _journal(home: Path) -> sqlite3.Connection:
    path = home / "journal.sqlite3"
    if not path.exists():
        raise AgentError(f"{path} is missing: join a Hive first with `hive agent join URL TOKEN`")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _node_id(home: Path) -> str:
    """The address stands in the keystore in clear: no password is needed to tell who this is."""
    try:
        address = str(json.loads((home / "keystore.json").read_text())["address"])
    except (OSError, ValueError, KeyError) as error:
        raise AgentError(f"{home / 'keystore.json'} can't be read: {error}") from None
    return "0x" + address.lower().removeprefix("0x")


def _is_running(home: Path) -> bool:
    """Whether somebody holds the lock of `life.only_one`."""
    try:
        with (home / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _given(journal: sqlite3.Connection) -> list[Given]:
    rows = journal.execute(
        "SELECT assignment, lease_until_s FROM assignments WHERE boot_id = ?", (clock.boot_id(),)
    )
    now, metered = clock.boot_s(), _metered(journal)
    leases = [(msgspec.msgpack.decode(blob, type=Assignment), until_s - now) for blob, until_s in rows]
    return [
        Given(
            replica=each.replica,
            image=each.workload.image,
            runtime=each.workload.runtime,
            runs=each.agreement_id in metered,
            lease_left_s=round(left_s, 1),
        )
        for each, left_s in leases
        if left_s > 0
    ]


def _metered(journal: sqlite3.Connection) -> set[str]:
    """Agreements under which something runs."""
    rows = journal.execute("SELECT meter FROM meters").fetchall()
    meters = [msgspec.msgpack.decode(blob, type=Meter) for (blob,) in rows]
    return {meter.agreement_id for meter in meters if meter.run_id and not meter.closed}


def _books(journal: sqlite3.Connection) -> tuple[int, Decimal, int]:
    """(agreements, earned, reports not confirmed). The cost in a report is of its agreement so far."""
    newest = journal.execute("SELECT max(sequence), cost_glm FROM usage GROUP BY agreement_id").fetchall()
    [unsent] = journal.execute("SELECT count(*) FROM usage WHERE acked = 0").fetchone()
    return len(newest), sum((Decimal(cost) for _, cost in newest), Decimal(0)), unsent
