"""`hive bees`: what an owner's machines run and earn, in text and as JSON."""

import json
from typing import Any

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page

ATTIC = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
AT = "2026-01-01T00:00:00Z"
AGREEMENT = "6f1c9c2e-0000-4000-8000-000000000001"


def bee(name: str = "attic", **fields: Any) -> dict[str, Any]:
    amounts = ("today", "0.01"), ("month", "0.2"), ("total", "1.012345678901234567"), ("pending", "0.004")
    run = {
        "agreement": AGREEMENT,
        "image": "hive/hello:1",
        "runtime": "docker",
        "team": "bakery",
        "cpu_threads": "0.500",
        "mem_gib": "0.250",
        "observed": "healthy",
        "since": AT,
        "price_per_hour_glm": "0.0072",
    }
    why = [
        {"text": "It is cordoned.", "remedy": "Ask why."},
        {"text": "It could not be heard for 8.0 h of 168 h.", "remedy": "Let it run through."},
    ]
    return {
        "id": ATTIC,
        "name": name,
        "state": "online",
        "scheduling": "cordoned",
        "approved": True,
        "last_seen_at": AT,
        "runs": [run],
        "earned": {f"{word}_glm": glm for word, glm in amounts} | {"paid_glm": "1", "on_the_way_glm": "0"},
        "rented_percent": 12.5,
        "reputation": 0.876,
        "is_newcomer": False,
        "offline_h": 8.0,
        "why_not_more": why,
    } | fields


def agreement() -> dict[str, Any]:
    return {
        "agreement": AGREEMENT,
        "image": "hive/hello:1",
        "state": "approved",
        "reason": "signed by both",
        "approved_at": AT,
        "ended_at": None,
        "earned_glm": "0.0004752",
        "asked_glm": None,
        "note_state": "paid",
        "note_reason": "",
    }


def test_it_lists_them_in_one_line_each(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "bees/", page(bee()))
    _, row = hive("bees").stdout.splitlines()
    assert row.split()[:8] == ["attic", "0x7e5f…5bdf", "online,", "cordoned", "1", "0.01", "0.2", "1.01235"]
    assert row.endswith("It is cordoned. (and 1 more)")


def test_it_writes_every_digit_as_json(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "bees/", page(bee()))
    [told] = json.loads(hive("bees", "-o", "json").stdout)
    assert told["earned"]["total_glm"] == "1.012345678901234567"
    assert told["why_not_more"][1]["remedy"] == "Let it run through."


def test_it_shows_one_by_its_name(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "bees/", page(bee()))
    double.answers("GET", f"bees/{ATTIC}/", (200, bee(agreements=[agreement()])))
    told = hive("bees", "Attic").stdout
    assert "hive/hello:1 on docker" in told
    assert "0.0004752" in told
    assert "It is cordoned.\n  Ask why." in told
    assert "Its reputation is 87 of 100; its page tells why." in told


def test_it_names_who_is_none_of_yours(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "bees/", page(bee(), bee(id="0x" + "12" * 20)))
    assert "cellar is no Bee of yours" in hive("bees", "cellar").stderr
    assert "is the name of 2 Bees" in hive("bees", "attic").stderr


def test_it_says_how_to_begin(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "bees/", page())
    assert "see hive enrol" in hive("bees").stderr
