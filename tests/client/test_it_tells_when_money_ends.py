"""`hive alerts` and `hive webhooks`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page, refusal

AT = "2026-01-01T00:00:00Z"
ID = "8b6b3c3e-0000-4000-8000-000000000001"


def alert(**fields: Any) -> dict[str, Any]:
    given = {"id": 12, "team": "bakery", "budget": "main", "kind": "used", "level": 80, "created_at": AT}
    return given | {"crossed_at": None, "crossings": 0} | fields


def webhook(**fields: Any) -> dict[str, Any]:
    given = {"id": ID, "team": "bakery", "url": "https://hooks.example/", "created_at": AT}
    return given | {"rotated_at": None} | fields


def delivery(**fields: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "kind": "budget.used",
        "subject": "80 % are used",
        "webhook": ID,
        "address": "",
        "state": "waiting",
        "reason": "503 come\x1b[31m back",
        "tries": 1,
        "next_at": AT,
        "deadline_at": AT,
        "created_at": AT,
        "attempts": [{"at": AT, "took_ms": 12, "status": 503, "answer": "come back"}],
    } | fields


def test_it_lists_alerts(hive: Run, double: DoubleOfTheHive) -> None:
    rows = alert(), alert(id=13, kind="runway", level=24, crossed_at=AT, crossings=3)
    double.answers("GET", "alerts/", page(*rows))
    _, first, second = hive("alerts").stdout.splitlines()
    assert first.split() == ["main", "80", "%", "used", "armed", "0", "12"]
    assert "24 h left" in second and "crossed" in second
    assert json.loads(hive("alerts", "-o", "json").stdout)[1]["crossings"] == 3


@pytest.mark.parametrize(
    "words, said",
    [
        (["--used", "50"], {"kind": "used", "level": 50}),
        (["--hours-left", "6", "--budget", "ci"], {"kind": "runway", "level": 6, "budget": "ci"}),
    ],
)
def test_it_sets_them(hive: Run, double: DoubleOfTheHive, words: list[str], said: dict[str, Any]) -> None:
    double.answers("POST", "alerts/", (201, alert()))
    assert hive("alerts", "add", *words).exit_code == 0
    assert double.asked[-1][2] == said


def test_it_takes_them_away(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("DELETE", "alerts/12/", (204, None))
    assert "is removed" in hive("alerts", "remove", "12").stderr


@pytest.mark.parametrize(
    "words", [[], ["--used", "5", "--hours-left", "5"], ["--used", "101"], ["--used", "NaN"]]
)
def test_it_says_how_an_alert_is_set(hive: Run, words: list[str]) -> None:
    result = hive("alerts", "add", *words)
    assert result.exit_code == 2
    assert "--used" in result.stderr


@pytest.mark.parametrize(
    "words, path", [(["add", "https://hooks.example/"], ""), (["rotate", ID], f"{ID}/rotate/")]
)
def test_it_shows_a_secret_once(hive: Run, double: DoubleOfTheHive, words: list[str], path: str) -> None:
    double.answers("POST", f"webhooks/{path}", (201, webhook(secret="whsec_c2VjcmV0")))
    result = hive("webhooks", *words)
    assert result.stdout == "whsec_c2VjcmV0\n"
    assert "shown this once" in result.stderr


def test_it_lists_webhooks_and_what_was_sent(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "webhooks/", page(webhook()))
    assert "https://hooks.example/" in hive("webhooks").stdout
    double.answers("GET", "deliveries/", page(delivery(), delivery(state="delivered"), more=True))
    shown = hive("webhooks", "deliveries", ID, "--limit", "3").stdout
    assert len(shown.splitlines()) == 4
    assert "503 come�[31m back" in shown
    assert ("webhook", ID) in double.params[-1]
    double.answers("GET", "webhooks/", page())
    assert "No webhook yet" in hive("webhooks").stderr


def test_it_tries_sends_anew_and_removes(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", f"webhooks/{ID}/test/", (201, delivery(kind="webhook.test")))
    assert "webhook.test" in hive("webhooks", "test", ID).stdout
    double.answers("POST", f"deliveries/{ID}/redeliver/", (201, delivery()))
    [again] = json.loads(hive("webhooks", "redeliver", ID, "-o", "json").stdout)
    assert again["attempts"][0]["status"] == 503
    double.answers("DELETE", f"webhooks/{ID}/", (204, None))
    assert "is removed" in hive("webhooks", "remove", ID).stderr


def test_it_tells_why_it_can_not_be(hive: Run, double: DoubleOfTheHive) -> None:
    words = "10.0.0.1, which is not an address of the public internet"
    double.answers("POST", "webhooks/", refusal(409, "webhook_refused", words))
    result = hive("webhooks", "add", "https://10.0.0.1/")
    assert result.exit_code != 0
    assert words in result.stderr
