"""The edge's access log becomes traffic by agreement and minute: each line once, come what may."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from apps.billing.models import EdgeTraffic
from apps.deployments import traffic
from apps.deployments.models import Assignment, Deployment, EdgeLog
from tests.deployments.conftest import active


def line(endpoint: str = "127.0.0.1:31001", *, at: datetime | None = None, **fields: Any) -> bytes:
    entry = {
        "time": (at or timezone.now()).isoformat().replace("+00:00", "Z"),
        "upstream_host": endpoint,
        "response_code": 200,
        "bytes_sent": 100,
    }
    return json.dumps(entry | fields).encode() + b"\n"


AT = datetime.fromisoformat("2026-01-01T12:34:56.789Z")


def test_it_tallies_by_endpoint_and_minute() -> None:
    lines = [
        line(at=AT),
        line(at=AT, response_code=503, bytes_sent=7),
        line("127.0.0.1:2", at=AT),
        line(at=AT + timedelta(minutes=1)),
    ]
    counts = traffic.tally(lines)
    first = counts["127.0.0.1:31001", datetime.fromisoformat("2026-01-01T12:34:00Z")]
    assert (first.requests, first.failed, first.egress_bytes) == (2, 1, 107)
    assert len(counts) == 3


@pytest.mark.parametrize(
    "text", [b"\n", b"nonsense\n", b"[]\n", b"{}\n", line("-"), line(upstream_host=None)]
)
def test_it_passes_over_what_reached_no_replica(text: bytes) -> None:
    assert traffic.tally([text]) == {}


@pytest.mark.parametrize(
    "bad",
    [
        line(time="half past nine"),
        line(time=None),
        line(time="0001-01-01T00:00:00+23:59"),
        line(response_code="tea"),
        line(bytes_sent=["many"]),
        line(bytes_sent=float("inf")),
        line(upstream_host={}),
        line()[:30] + b"\n",
    ],
)
def test_it_counts_on_behind_a_line_it_cannot_read(bad: bytes) -> None:
    counts = traffic.tally([bad, line(at=AT)])
    assert [count.requests for count in counts.values()] == [1]


@pytest.fixture
def log(settings: Any, tmp_path: Path) -> Path:
    settings.HIVE_EDGE_DIR = tmp_path
    return tmp_path / "access.log"


def total() -> int:
    return sum(EdgeTraffic.objects.values_list("requests", flat=True))


@pytest.mark.django_db
def test_it_counts_for_the_agreement_behind_the_endpoint(running: Deployment, log: Path) -> None:
    one, two, _ = active(running)
    log.write_bytes(line(one.endpoint) * 2 + line(two.endpoint, response_code=500) + line("10.9.9.9:1"))
    assert traffic.count_edge_traffic() == 4
    assert EdgeTraffic.objects.get(agreement=one.agreement).requests == 2
    assert EdgeTraffic.objects.get(agreement=one.agreement).egress_bytes == 200
    assert EdgeTraffic.objects.get(agreement=two.agreement).failed == 1
    assert EdgeTraffic.objects.count() == 2


@pytest.mark.django_db
def test_it_counts_each_line_once(running: Deployment, log: Path) -> None:
    endpoint = active(running)[0].endpoint
    whole = line(endpoint)
    log.write_bytes(whole * 3 + whole[:20])
    traffic.count_edge_traffic()
    traffic.count_edge_traffic()
    assert total() == 3
    with log.open("ab") as file:
        file.write(whole[20:] + whole)
    traffic.count_edge_traffic()
    assert total() == 5


@pytest.mark.django_db
def test_it_counts_nothing_when_the_counting_fails(
    running: Deployment, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(line(active(running)[0].endpoint) * 3)
    real = traffic._store
    monkeypatch.setattr(traffic, "_store", lambda counts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        traffic.count_edge_traffic()
    monkeypatch.setattr(traffic, "_store", real)
    traffic.count_edge_traffic()
    assert total() == 3


@pytest.mark.django_db
def test_it_gives_a_reused_port_to_who_had_it_at_the_time(running: Deployment, log: Path) -> None:
    older, newer, _ = active(running)
    ago = timezone.now() - timedelta(hours=1)
    Assignment.objects.filter(pk=older.pk).update(endpoint="127.0.0.1:5", created_at=ago)
    Assignment.objects.filter(pk=newer.pk).update(endpoint="127.0.0.1:5", created_at=timezone.now())
    log.write_bytes(line("127.0.0.1:5", at=ago + timedelta(minutes=5)) + line("127.0.0.1:5"))
    traffic.count_edge_traffic()
    assert EdgeTraffic.objects.get(agreement=older.agreement).requests == 1
    assert EdgeTraffic.objects.get(agreement=newer.agreement).requests == 1


@pytest.mark.django_db
def test_it_turns_a_large_log_over_without_losing_a_line(
    running: Deployment, log: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    one = line(active(running)[0].endpoint)
    monkeypatch.setattr(traffic, "ROTATE_BYTES", 300)
    settings.HIVE_EDGE_ADMIN = "http://edge.invalid"
    monkeypatch.setattr(traffic, "_ask_to_reopen", lambda: log.touch())
    log.write_bytes(one * 3)
    traffic.count_edge_traffic()
    old = log.with_name("access.log.old")
    assert old.exists() and log.exists()
    with old.open("ab") as file:  # written by Envoy before it opened the new one
        file.write(one)
    log.write_bytes(one * 2)
    traffic.count_edge_traffic()
    assert total() == 6
    os.utime(old, (0, 0))
    traffic.count_edge_traffic()
    assert not old.exists()
    assert EdgeLog.objects.count() == 1
    assert total() == 6


@pytest.mark.django_db(transaction=True)
def test_it_keeps_a_renamed_log_until_its_counts_are_committed(
    running: Deployment, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = log.with_name("access.log.old")
    old.write_bytes(line(active(running)[0].endpoint) * 3)
    os.utime(old, (0, 0))
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(connection, "_commit", Mock(side_effect=OperationalError))
        traffic.count_edge_traffic()
    assert old.exists()
    traffic.count_edge_traffic()
    traffic.count_edge_traffic()
    assert not old.exists()
    assert total() == 3


@pytest.mark.django_db
def test_it_removes_a_renamed_log_whose_last_line_was_cut(running: Deployment, log: Path) -> None:
    whole = line(active(running)[0].endpoint)
    old = log.with_name("access.log.old")
    old.write_bytes(whole * 2 + whole[:20])
    os.utime(old, (0, 0))
    traffic.count_edge_traffic()
    traffic.count_edge_traffic()
    assert not old.exists()
    assert not EdgeLog.objects.exists()
    assert total() == 2


@pytest.mark.django_db
def test_it_reads_a_truncated_log_from_its_start(running: Deployment, log: Path) -> None:
    one = line(active(running)[0].endpoint)
    log.write_bytes(one * 3)
    traffic.count_edge_traffic()
    log.write_bytes(one)
    traffic.count_edge_traffic()
    assert total() == 4


@pytest.mark.django_db
def test_it_does_without_a_log(log: Path) -> None:
    assert traffic.count_edge_traffic() == 0
