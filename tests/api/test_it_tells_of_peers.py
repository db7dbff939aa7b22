"""`/peers`, in the shapes that scripts for Golem Unlimited's hub expect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.deployments.models import Assignment, Deployment, Replica
from apps.market.models import Agreement
from apps.nodes.models import Node, NodeBenchmark, NodeSession, NodeState
from apps.teams.models import User
from tests.api.conftest import As
from tests.cast import key_of_bee

PROPERTIES = {
    "golem.inf.cpu.architecture": "x86_64",
    "golem.inf.cpu.cores": 8,
    "golem.inf.cpu.threads": 16,
    "golem.inf.cpu.brand": "AMD Ryzen 7 5700G",
    "golem.inf.mem.gib": 31.2,
    "golem.inf.storage.gib": 812.5,
    "hive.inf.cpu.bits": [32, 64],
    "hive.inf.os.name": "Debian GNU/Linux 12 (bookworm)",
    "hive.inf.hardware.model": "ASRock X300",
    "hive.inf.gpu": [
        {"vendor": "nvidia", "pci": "10de:2204", "model": "GeForce RTX 3090"},
        {"vendor": "nvidia", "pci": "10de:2204", "model": "GeForce RTX 3090"},
        {"vendor": "matrox", "pci": "102b:0534"},
    ],
    "hive.inf.net": [{"name": "eth0", "mbit_s": 1000}, {"name": "wlan0"}],
}


@pytest.fixture
def peer(make_node: Callable[..., Node]) -> Node:
    return make_node(properties=PROPERTIES, mem_gib=Decimal(16), name="attic")


def ask(client: APIClient, address: str) -> Any:
    response = client.get(address)
    assert response.status_code == 200, response.content
    return response.json()


def test_it_lists_peers_as_a_hub_does(peer: Node, stranger: User, as_: As) -> None:
    listed = ask(as_(stranger), "/peers")

    assert listed == [{"nodeId": peer.id, "nodeName": "attic", "peerAddr": "", "tags": ["online", "process"]}]


def test_it_lists_the_part_that_is_asked_for(make_node: Callable[..., Node], owner: User, as_: As) -> None:
    for name in "abcd":
        make_node(name=name)
    listed = ask(as_(owner), "/peers?offset=1&limit=2")
    assert [each["nodeName"] for each in listed] == ["b", "c"]
    assert as_(owner).get("/peers?limit=none").status_code == 400


def test_it_hides_who_is_not_on_the_market(make_node: Callable[..., Node], stranger: User, as_: As) -> None:
    make_node(state=NodeState.PENDING, approved_at=None, deadline_at=None)
    make_node(key_of_bee(50), state=NodeState.BANNED, deadline_at=None)
    assert ask(as_(stranger), "/peers") == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("inf/storage", {"gib": 812.5}),
        ("inf/cpu", {"architecture": "x86_64", "bit": [32, 64], "cores": 8, "threads": 16}),
        ("inf/mem", {"gib": 16.0, "total": 31.2}),
        ("inf/os", {"name": "Debian GNU/Linux 12 (bookworm)"}),
    ],
)
def test_it_tells_what_the_roadmap_asks_for(
    peer: Node, stranger: User, as_: As, address: str, told: dict[str, Any]
) -> None:
    assert ask(as_(stranger), f"/peers/{peer.id}/{address}") == told


def test_it_takes_an_address_as_people_write_it(peer: Node, stranger: User, as_: As) -> None:
    assert ask(as_(stranger), f"/peers/{peer.id.upper().replace('X', 'x')}")["nodeId"] == peer.id


def test_it_counts_graphics_cards(peer: Node, stranger: User, as_: As) -> None:
    told = ask(as_(stranger), f"/peers/{peer.id}/inf/gpu")
    assert {vendor: told[vendor] for vendor in ("amd", "nvidia", "intel", "other")} == {
        "amd": 0,
        "nvidia": 2,
        "intel": 0,
        "other": 1,
    }
    assert told["cards"][2] == {"vendor": "other", "pci": "102b:0534", "model": None, "mem_gib": None}


def test_it_tells_of_the_network_what_was_measured(peer: Node, stranger: User, as_: As) -> None:
    told = ask(as_(stranger), f"/peers/{peer.id}/inf/net")
    assert told["interfaces"] == [{"name": "eth0", "mbit_s": 1000}, {"name": "wlan0", "mbit_s": None}]
    assert told["down_mbit_s"] is None

    benchmark = NodeBenchmark.objects.create(node=peer, at=timezone.now(), down_mbit_s=92.5)
    Node.objects.filter(pk=peer.pk).update(benchmark=benchmark)
    assert ask(as_(stranger), f"/peers/{peer.id}/inf/net")["down_mbit_s"] == 92.5
    hardware = ask(as_(stranger), f"/peers/{peer.id}/hardware")
    assert hardware["benchmark"]["down_mbit_s"] == 92.5
    assert hardware["benchmark"]["at"].startswith(str(timezone.now().year))


def test_it_tells_all_of_the_hardware_at_once(peer: Node, stranger: User, as_: As) -> None:
    client = as_(stranger)
    told = ask(client, f"/peers/{peer.id}/hardware")
    assert (told["model"], told["benchmark"], told["cpu"].pop("brand")) == (
        "ASRock X300",
        None,
        "AMD Ryzen 7 5700G",
    )
    for part in ("storage", "cpu", "mem", "os", "gpu", "net"):
        assert told[part] == ask(client, f"/peers/{peer.id}/inf/{part}")


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {name: {"a": 1} for name in PROPERTIES},
        {name: [[], "x", None, {"vendor": 7, "name": {}, "mbit_s": "fast"}] for name in PROPERTIES},
        dict.fromkeys(PROPERTIES, True),
        dict.fromkeys(PROPERTIES, -1),
        dict.fromkeys(PROPERTIES, 10**40),
        dict.fromkeys(PROPERTIES, "x" * 10_000),
    ],
    ids=["nothing", "objects", "lists", "booleans", "negative", "huge", "long"],
)
def test_nonsense_a_bee_told_is_passed_over(
    make_node: Callable[..., Node], stranger: User, as_: As, nonsense: dict[str, Any]
) -> None:
    node = make_node(properties=nonsense)
    client = as_(stranger)
    for part in ("storage", "cpu", "mem", "os", "gpu", "net"):
        ask(client, f"/peers/{node.id}/inf/{part}")
    assert len(str(ask(client, f"/peers/{node.id}/hardware"))) < 3000


def test_it_tells_the_address_to_owner_and_operator_alone(
    peer: Node, owner: User, stranger: User, as_: As
) -> None:
    now = timezone.now()
    NodeSession.objects.create(node=peer, opened_at=now, last_seen_at=now, channel="c", peer="203.0.113.7")

    assert ask(as_(owner), f"/peers/{peer.id}")["peerAddr"] == "203.0.113.7"
    assert ask(as_(stranger), f"/peers/{peer.id}")["peerAddr"] == ""
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    assert ask(as_(stranger), "/peers")[0]["peerAddr"] == "203.0.113.7"


def test_a_team_sees_what_it_runs_there_and_nothing_of_others(
    deployment: Deployment, agreement: Agreement, owner: User, stranger: User, as_: As
) -> None:
    replica = Replica.objects.get(service__deployment=deployment, index=1)
    assignment = Assignment.objects.create(
        replica=replica,
        generation=1,
        node=agreement.node,
        agreement=agreement,
        lease_until=timezone.now() + timedelta(minutes=15),
        deadline_at=timezone.now() + timedelta(minutes=15),
        observed="healthy",
    )

    assert ask(as_(owner), f"/peers/{agreement.node_id}")["sessions"] == [
        {
            "id": str(assignment.pk),
            "name": replica.name,
            "status": "running",
            "tags": ["process"],
            "note": "hive/hello:1",
        }
    ]
    assert ask(as_(stranger), f"/peers/{agreement.node_id}")["sessions"] == []
