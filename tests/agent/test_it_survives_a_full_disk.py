"""The disk under the Bee's home is full: what runs goes on, new work is refused, and nothing is lost."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError, JournalFault
from agent.journal import Journal
from agent.protocol import Verdict
from tests.agent.queen_double import QueenDouble, assignment
from tests.needs import needs_root

pytestmark = [pytest.mark.real, needs_root]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """On a file system of 2 MiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0711", "bee", str(disk)], check=True)
    yield disk / "bee"
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(home: Path) -> Path:
    ballast = home / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return ballast


async def test_it_works_on_and_catches_up_when_there_is_room_again(
    queen: QueenDouble, running_bee: Any, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running_bee() as process:
        terms = await queen.agree()
        given = assignment(terms, lease_s=5)
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
        await queen.until(lambda: queen.usage.get(terms.agreement_id))

        ballast = fill(home)
        refused = await queen.agree()
        answer = queen.answer_to(refused.agreement_id)
        assert answer and answer.verdict == Verdict.REJECTED
        assert "journal can't be written" in answer.reason
        told = max(queen.usage[terms.agreement_id])
        for _ in range(12):  # longer than its lease, which goes on being renewed
            await asyncio.sleep(0.5)
            await queen.nudge()
        assert queen.is_seen(given, "healthy")
        assert max(queen.usage[terms.agreement_id]) <= told + 1, "what is not written down is not told"
        assert process.returncode is None

        ballast.unlink()
        await queen.until(lambda: max(queen.usage[terms.agreement_id]) >= told + 3)
        assert await queen.agree() and queen.answers[-1].verdict == Verdict.ACCEPTED
        await queen.want()
        await queen.until(lambda: any(note.final for note in queen.notes))
    reports = [report for _, report in sorted(queen.usage[terms.agreement_id].items())]
    assert [each.sequence for each in reports] == list(range(1, len(reports) + 1))
    assert all(after.previous_hash == before.hash for before, after in pairwise(reports))
    spanned_ms = reports[-1].ended_at_ms - reports[0].started_at_ms
    assert sum(each.running_ms for each in reports) >= 0.9 * spanned_ms, "the time with a full disk counts"
    words = capfd.readouterr().err
    assert words.count("journal can't be written: database or disk is full: what runs goes on") == 1
    assert words.count("the journal can be written again") == 1


async def test_it_stops_what_it_must_though_nothing_can_be_written(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee() as process:
        terms = await queen.agree()
        given = assignment(terms)
        await queen.want(given)
        seen = await queen.until(lambda: queen.is_seen(given, "healthy"))
        await queen.until(lambda: queen.usage.get(terms.agreement_id))
        ballast = fill(home)
        await queen.want()
        await queen.until(lambda: queen.is_seen(given, "stopped"))
        host, port = seen.endpoint.split(":")
        with pytest.raises(OSError):
            await asyncio.open_connection(host, int(port))
        assert process.returncode is None
        ballast.unlink()
        await queen.until(lambda: any(note.final for note in queen.notes))
    reports = [report for _, report in sorted(queen.usage[terms.agreement_id].items())]
    assert reports[-1].final
    assert sum(each.running_ms for each in reports) > 0


def test_it_says_why_it_can_not_begin(home: Path) -> None:
    home.mkdir()
    fill(home)
    with pytest.raises(JournalFault, match="this bee's journal can't be written"):
        Journal(home / "journal.sqlite3")
    assert issubclass(JournalFault, AgentError)
