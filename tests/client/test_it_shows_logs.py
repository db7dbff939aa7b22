"""`hive logs`: what replicas wrote, once or for as long as somebody follows."""

from __future__ import annotations

import json
from typing import Any

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, refusal

AT = "2026-01-01T00:00:00Z"
REPLICAS = "deployments/hello/replicas/"


def replica(name: str, node: str | None = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf") -> dict[str, Any]:
    return {
        "name": name,
        "service": "web",
        "generation": 1,
        "state": "healthy",
        "reason": "",
        "state_since": AT,
        "node_id": node,
    }


def log(name: str, text: str, mark: str = "") -> tuple[int, dict[str, Any]]:
    return 200, {
        "replica": name,
        "generation": 1,
        "node_id": "0x7e",
        "node_name": "attic",
        "text": text,
        "mark": mark,
    }


def two(double: DoubleOfTheHive) -> None:
    double.answers("GET", REPLICAS, (200, [replica("web-1"), replica("web-2"), replica("web-3", None)]))


def test_it_names_the_replica_before_each_line(hive: Run, double: DoubleOfTheHive) -> None:
    two(double)
    double.answers("GET", f"{REPLICAS}web-1/logs/", log("web-1", "one\ntwo\n"))
    double.answers("GET", f"{REPLICAS}web-2/logs/", log("web-2", "three"))
    assert hive("logs", "hello").stdout == "web-1  one\nweb-1  two\nweb-2  three\n"


def test_it_shows_one_replica_as_it_wrote(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", f"{REPLICAS}web-1/logs/", log("web-1", "one\n\x1b[31mred\n"))
    assert hive("logs", "hello", "web-1").stdout == "one\n�[31mred\n"
    assert json.loads(hive("logs", "hello", "web-1", "-o", "json").stdout)[0]["text"] == "one\n\x1b[31mred\n"


def test_it_says_when_nothing_was_placed(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", REPLICAS, (200, [replica("web-1", None)]))
    result = hive("logs", "hello")
    assert (result.exit_code, result.stderr) == (0, "No replica of hello has been placed yet.\n")


def test_it_follows_until_ctrl_c(hive: Run, double: DoubleOfTheHive) -> None:
    """Through a moment in which the replica is being replaced, told once however long it takes."""
    away = refusal(409, "no_log", "this replica does not run here now")
    double.answers(
        "GET",
        f"{REPLICAS}web-1/logs/",
        log("web-1", "one\n", "a/1"),
        log("web-1", "", "a/1"),
        away,
        away,
        log("web-1", "two\n", "b/1"),
        KeyboardInterrupt(),
    )
    result = hive("logs", "hello", "web-1", "--follow", "--tail", "5")
    assert (result.exit_code, result.stdout) == (130, "one\ntwo\n")
    assert result.stderr == "web-1: this replica does not run here now\n"
    marks = [dict(params).get("after") for params in double.params]
    assert marks == ["", "a/1", "a/1", "a/1", "a/1", "b/1"]


def test_it_follows_replicas_that_come_and_go(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", REPLICAS, (200, [replica("web-1")]), (200, [replica("web-2")]))
    double.answers("GET", f"{REPLICAS}web-1/logs/", log("web-1", "one\n", "a/1"))
    double.answers("GET", f"{REPLICAS}web-2/logs/", log("web-2", "two\n", "b/1"), KeyboardInterrupt())
    assert hive("logs", "hello", "--follow").stdout == "web-1  one\nweb-2  two\n"


def test_it_stops_following_for_a_refusal_that_stays(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", f"{REPLICAS}web-9/logs/", refusal(404, "not_found", "there is no replica web-9"))
    result = hive("logs", "hello", "web-9", "--follow")
    assert (result.exit_code, result.stderr) == (4, "Error: there is no replica web-9\n")


def test_it_writes_no_json_that_never_ends(hive: Run) -> None:
    assert hive("logs", "hello", "--follow", "-o", "json").exit_code == 2
