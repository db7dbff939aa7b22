"""Counting what the edge carried: its access log becomes `EdgeTraffic`, the third side of the metering.

Each line counts once: how far a log is read moves in the transaction that stores what was read. When a log
has grown large it is renamed, Envoy is asked to open a new one, and the old one goes once all that was
counted in it is committed.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.billing.models import EdgeTraffic
from apps.deployments.models import EdgeLog
from apps.deployments.replicas import Assignment

logger = logging.getLogger("hive.deployments")

READ_BYTES = 8 << 20
"""At most in one run; the rest comes with the next."""
ROTATE_BYTES = 64 << 20
QUIET_S = 30
"""Envoy flushes every second; a renamed log that nobody wrote to for so long is complete."""


@dataclass(slots=True)
class Count:
    requests: int = 0
    failed: int = 0
    egress_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: one request that reached a replica."""

    endpoint: str
    minute: datetime
    failed: bool
    egress_bytes: int


Counts = dict[tuple[str, datetime], Count]
"""By (endpoint, minute)."""


def count_edge_traffic() -> int:
    """Count what is new in the log. Returns the number of requests."""
    log = settings.HIVE_EDGE_DIR / "access.log"
    old = log.with_name("access.log.old")
    requests = _count_file(old, final=True) + _count_file(log)
    if log.exists() and log.stat().st_size > ROTATE_BYTES and not old.exists():
        _rotate(log, old)
    return requests


def tally(lines: Iterable[bytes]) -> Counts:
    """Pure. A line that is no request to a replica, or that can't be read, is passed over."""
    counts: Counts = defaultdict(Count)
    for entry in filter(None, map(_entry, lines)):
        count = counts[entry.endpoint, entry.minute]
        count.requests += 1
        count.failed += entry.failed
        count.egress_bytes += entry.egress_bytes
    return counts


def _entry(line: bytes) -> Entry | None:
    """Whatever a line holds, it must not keep the lines behind it from being counted."""
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.get("upstream_host") in {None, "", "-"}:
            return None
        return Entry(
            endpoint=str(fields["upstream_host"]),
            minute=_minute(fields["time"]),
            failed=int(fields.get("response_code") or 0) >= 500,
            egress_bytes=int(fields.get("bytes_sent") or 0),
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _minute(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(second=0, microsecond=0)


def _count_file(path: Path, *, final: bool = False) -> int:
    """`final`: nothing new comes, so it is removed by the first run that finds it read to its end.

    That run counts nothing itself: what it removes is committed. A last line cut short stays unread.
    """
    if not path.exists():
        return 0
    with transaction.atomic():
        inode, size = path.stat().st_ino, path.stat().st_size
        EdgeLog.objects.get_or_create(path=str(path.parent), inode=inode)
        position = EdgeLog.objects.select_for_update().get(path=str(path.parent), inode=inode)
        offset = position.offset if position.offset <= size else 0  # truncated by somebody
        chunk = _read(path, offset)
        counts = tally(chunk.splitlines())
        _store(counts)
        EdgeLog.objects.filter(pk=position.pk).update(offset=offset + len(chunk))
        if final and not chunk and time() - path.stat().st_mtime > QUIET_S:
            # The file first: a row without a file does no harm, a file without a row is counted again.
            path.unlink()
            position.delete()
    return sum(count.requests for count in counts.values())


def _read(path: Path, offset: int) -> bytes:
    """Whole lines only; the last one may still be on its way."""
    with path.open("rb") as log:
        log.seek(offset)
        chunk = log.read(READ_BYTES)
    return chunk[: chunk.rfind(b"\n") + 1]


def _store(counts: Counts) -> None:
    by_agreement: dict[tuple[Any, datetime], Count] = defaultdict(Count)
    for (endpoint, minute), count in counts.items():
        if agreement_id := _agreement_of(endpoint, minute):
            total = by_agreement[agreement_id, minute]
            total.requests += count.requests
            total.failed += count.failed
            total.egress_bytes += count.egress_bytes
    for (agreement_id, minute), count in by_agreement.items():
        row, _ = EdgeTraffic.objects.select_for_update().get_or_create(
            agreement_id=agreement_id, minute=minute
        )
        row.requests += count.requests
        row.failed += count.failed
        row.egress_bytes += count.egress_bytes
        row.save(update_fields=["requests", "failed", "egress_bytes"])


def _agreement_of(endpoint: str, minute: datetime) -> Any | None:
    """Ports are used again: the newest assignment at this endpoint that began before the minute was over."""
    end = minute.replace(second=59, microsecond=999_999)
    there = Assignment.objects.filter(endpoint=endpoint, created_at__lte=end).order_by("-created_at")
    return there.values_list("agreement_id", flat=True).first()


def _rotate(log: Path, old: Path) -> None:
    """Only with Envoy's admin address: without it Envoy would write to the renamed file for ever."""
    if not settings.HIVE_EDGE_ADMIN:
        logger.warning(
            "%s is larger than %d MiB; set HIVE_EDGE_ADMIN to have it rotated", log, ROTATE_BYTES >> 20
        )
        return
    log.rename(old)
    try:
        _ask_to_reopen()
    except OSError as error:
        old.rename(log)
        logger.warning("the edge did not open a new access log: %s", error)


def _ask_to_reopen() -> None:
    request = urllib.request.Request(f"{settings.HIVE_EDGE_ADMIN}/reopen_logs", method="POST")
    urllib.request.urlopen(request, timeout=5).close()
