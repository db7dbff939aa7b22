"""Each fact that keeps money away is told, with what helps; and nothing is told of a Bee that is in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.billing.models import MeteringFaultKind
from apps.nodes.models import NodeState, Scheduling
from hive_portal.owners.reasons import Asked, Facts, Faults, Refused, why_not_more

FINE = Facts(
    state=NodeState.ONLINE,
    cpu_threads=Decimal("4.000"),
    rented_percent=97,
    asked=[Asked("docker", Decimal("0.01"), Decimal("0.0095"))],
    measured_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def told(**fields: Any) -> list[str]:
    return [f"{reason.text} | {reason.remedy}" for reason in why_not_more(replace(FINE, **fields))]


def test_it_finds_nothing_to_mend_where_all_is_well() -> None:
    assert why_not_more(FINE) == []


@pytest.mark.parametrize(
    ("fields", "says", "helps"),
    [
        ({"approved": False, "state": NodeState.PENDING}, "waits for an operator's approval", "approve"),
        ({"state": NodeState.BANNED, "state_reason": "mines coins"}, "banned: mines coins", "operator"),
        ({"scheduling": Scheduling.CORDONED}, "cordoned", "operator"),
        (
            {"region": "us-east", "region_fault": "it answers within 5 ms"},
            "us-east, is not believed",
            "bee.toml",
        ),
        ({"scheduling": Scheduling.DRAINING}, "drained", "operator"),
        ({"state": NodeState.OFFLINE, "state_reason": "silent: link lost"}, "silent: link lost", "agent run"),
        ({"asked": []}, "offers nothing", "hive agent status"),
        ({"offline_h": 12.34, "known_h": 168}, "not be heard for 12 h of 168 h", "hive agent install"),
        (
            {"asked": [Asked("docker", Decimal("0.02"), Decimal("0.01"))]},
            "asks 0.02 GLM for a thread and hour; the median of the others is 0.01",
            "hive agent quote",
        ),
        ({"rented_percent": 12.4}, "12 % of its 4 threads were rented", "[rules]"),
        ({"measured_at": None}, "not been measured", "hive agent benchmark"),
        ({"lost": "lost 2 of 9 agreements in the last 30 days"}, "It lost 2 of 9 agreements", "drain"),
        ({"is_newcomer": True}, "a newcomer", "Leave it on"),
        ({"disputes": ["asks 2 GLM, 1 were rated"]}, "disputed: asks 2 GLM, 1 were rated", "operator"),
    ],
)
def test_it_tells_one_fact_with_its_remedy(fields: dict[str, Any], says: str, helps: str) -> None:
    [line] = told(**fields)
    text, remedy = line.split(" | ")
    assert says in text
    assert helps in remedy


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        ("the owner's rules don't allow image hive/x:1", "widen [rules]"),
        ("the owner rents this machine out only 22:00-08:00 (its local time)", "rent.hours"),
        ("paused by the bee's owner", "hive agent resume"),
        ("asks for 0.02 GLM/h at least", "[prices]"),
        ("2 CPU threads are asked, 0.5 are free", "[rent]"),
        ("gave no answer in time", "its log"),
        ("the moon is full", "bee.toml"),
    ],
)
def test_it_names_what_helps_against_a_refusal(reason: str, helps: str) -> None:
    [line] = told(refused=[Refused("proposal", "rejected", reason, 3)])
    assert line.startswith(f"3 proposals rejected: {reason}. | ")
    assert helps in line.split(" | ")[1]


def test_it_sends_the_owner_to_the_history_of_what_ended_early() -> None:
    [line] = told(refused=[Refused("agreement", "terminated", "no such image", 1)])
    assert line.startswith("1 agreement terminated: no such image. | ")
    assert "history" in line


@pytest.mark.parametrize("kind", MeteringFaultKind.values)
def test_it_knows_a_remedy_for_every_metering_fault(kind: str) -> None:
    [line] = told(faults=[Faults(kind, 2, "5 came before 4")])
    assert "objected to 2 times" in line
    assert "5 came before 4. | " in line


def test_it_tells_of_a_wrong_clock() -> None:
    [line] = told(
        faults=[Faults(MeteringFaultKind.OVERCLAIM, 1, "90 s reported, that much time passed 60 s")]
    )
    assert "timedatectl" in line


def test_it_compares_with_nobody_where_nobody_else_offers() -> None:
    assert told(asked=[Asked("wasm", Decimal(1), None)]) == []


def test_it_does_not_tell_a_bee_that_is_away_that_it_is_idle() -> None:
    [line] = told(state=NodeState.OFFLINE, rented_percent=0.0, asked=[])
    assert "does not hear it" in line


def test_it_tells_what_weighs_most_first() -> None:
    lines = told(scheduling=Scheduling.CORDONED, offline_h=9, rented_percent=3)
    assert [line.split()[1] for line in lines] == ["is", "could", "%"]
