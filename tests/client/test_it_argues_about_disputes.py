"""`hive disputes`: what was asked for beyond what was rated, objecting, and giving in."""

import json
from typing import Any

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page

AT = "2026-01-01T00:00:00Z"
ID, OTHER = "1b9d6bcd-0000-4000-8000-000000000001", "1b000000-0000-4000-8000-000000000002"
MESSAGE = {
    "id": 1,
    "side": "operator",
    "author": "olga",
    "text": "The log\x1b[2J says three.",
    "figure_glm": "3",
    "at": AT,
}


def dispute(**fields: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "agreement": "8b6b3c3e-0000-4000-8000-000000000001",
        "node": "0x" + "ab" * 20,
        "note_sequence": 2,
        "final": True,
        "state": "answered",
        "reason": "asks 1.5 GLM more than was rated",
        "deadline_at": AT,
        "opened_at": AT,
        "asked_glm": "4",
        "rated_glm": "2.5",
        "granted_glm": "0.5",
        "hive_glm": "3",
        "open_glm": "1",
    } | fields


def test_it_lists_them(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "disputes/", page(dispute()))
    _, row = hive("disputes").stdout.splitlines()
    assert row.split()[0] == ID[:8] and row.split()[2:6] == ["answered", "4", "3", "1"]


def test_it_shows_what_was_said_without_what_would_drive_a_terminal(
    hive: Run, double: DoubleOfTheHive
) -> None:
    double.answers("GET", "disputes/", page(dispute()))
    double.answers("GET", f"disputes/{ID}/", (200, dispute(messages=[MESSAGE])))
    shown = hive("disputes", "show", "1b9d").stdout
    assert "olga (operator), offering 3 GLM in all:" in shown and "\x1b" not in shown


def test_it_objects(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "disputes/", page(dispute()))
    double.answers("POST", f"disputes/{ID}/say/", (200, dispute(state="open")))
    assert "open" in hive("disputes", "say", ID, "It ran until four.").stdout
    assert double.asked[-1][2] == {"text": "It ran until four."}


def test_it_gives_in_once_the_owner_has_seen_what_that_costs(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "disputes/", page(dispute()))
    double.answers("POST", f"disputes/{ID}/accept/", (200, dispute(state="conceded")))
    refused = hive("disputes", "accept", ID, stdin="n\n")
    assert refused.exit_code and "you give up 1 GLM" in refused.stderr and len(double.asked) == 1
    accepted = hive("disputes", "accept", ID, "--yes", "-o", "json")
    assert json.loads(accepted.stdout)["state"] == "conceded"
    assert double.asked[-1][2] == {"gives_up_glm": "1"}


def test_it_asks_for_more_letters_where_several_would_do(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "disputes/", page(dispute(), dispute(id=OTHER)))
    assert "2 disputes begin with 1b: give more letters" in hive("disputes", "show", "1b").stderr
    assert "is no dispute of yours" in hive("disputes", "show", "ffff").stderr
