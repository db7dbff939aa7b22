"""What is bold about a plan: plain facts in, sentences out."""

from __future__ import annotations

from typing import Any

import pytest

from apps.deployments.plans.risks import Risk, Spot, risks_of


def spot(replica: str, node: str, **fields: Any) -> Spot:
    """Of a node that is well known, of an owner and a region of its own."""
    number = sum(node.encode())
    given: dict[str, Any] = {
        "owner_id": number,
        "region": f"region-{number}",
        "is_newcomer": False,
        "score": 0.97,
    }
    service = replica.rpartition("-")[0]
    return Spot(replica=replica, service=service, node_id=f"0x{node}", node_name=node, **(given | fields))


def told(*spots: Spot) -> list[tuple[str, str]]:
    return [(risk.kind, risk.text) for risk in risks_of(spots)]


def test_it_finds_nothing_bold_in_proven_nodes_apart_from_each_other() -> None:
    assert told(spot("web-1", "attic"), spot("web-2", "studio")) == []


@pytest.mark.parametrize(
    ("shared", "risk"),
    [
        (
            {"node_id": "0xattic", "node_name": "attic", "owner_id": 1, "region": "eu-west"},
            ("one_node", "both replicas of web would be on one node, attic: if it goes, web is gone"),
        ),
        (
            {"owner_id": 1, "region": "eu-west"},
            (
                "one_owner",
                "both replicas of web would be on nodes of one owner, who could turn them all off",
            ),
        ),
        ({"region": "eu-west"}, ("one_region", "both replicas of web would be in one region, eu-west")),
        ({"region": ""}, None),
    ],
)
def test_it_says_the_widest_thing_that_replicas_share(
    shared: dict[str, Any], risk: tuple[str, str] | None
) -> None:
    names = [shared.pop("node_name", "attic"), "studio"]
    shared.pop("node_id", None)
    if risk and risk[0] == "one_node":
        names[1] = names[0]
    spots = [spot(f"web-{number}", name, **shared) for number, name in enumerate(names, 1)]
    assert told(*spots) == ([risk] if risk else [])


def test_it_calls_one_replica_no_group() -> None:
    assert told(spot("web-1", "attic"), spot("job-1", "attic")) == []


def test_it_tells_why_a_node_is_doubted_and_whom_that_concerns() -> None:
    facts = ["lost 2 of 9 agreements in the last 30 days", "failed once to start", "kept 7"]
    doubted = {"score": 0.7, "facts": facts}
    found = risks_of([spot("web-1", "attic", **doubted), spot("job-1", "attic", **doubted)])
    text = "attic lost 2 of 9 agreements in the last 30 days; failed once to start"
    assert found == [Risk("reputation", text, ["job-1", "web-1"])]


def test_it_names_newcomers_together_and_counts_the_rest() -> None:
    new = {"is_newcomer": True, "score": 0.5}
    names = ["anna", "bert", "carl", "dora", "emil", "fritz"]
    spots = [spot(f"{name}-1", name, **new) for name in names]
    assert told(spots[0]) == [("newcomer", "anna is new here: too little is known to rely on")]
    assert told(*spots[:2]) == [("newcomer", "anna and bert are new here: too little is known to rely on")]
    expected = "anna, bert, carl, dora and 2 more are new here: too little is known to rely on"
    assert told(*spots) == [("newcomer", expected)]


def test_it_doubts_a_region_that_can_not_be() -> None:
    fault = "its round trip of 2 ms is too short for us-east"
    assert told(spot("web-1", "attic", region="", region_fault=fault)) == [
        ("region", f"attic may be elsewhere than it says: {fault}")
    ]
