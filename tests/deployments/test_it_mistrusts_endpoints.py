"""A Bee names endpoints at its own address; any other is shown to nobody, and people are told why."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from agent.protocol import Observed, ObservedAssignment, RunState
from apps.deployments import edge
from apps.deployments.endpoints import fault_of, parse_endpoint, queens_ports
from apps.deployments.models import Assignment, Deployment, Replica
from apps.deployments.observing import take_observations
from apps.nodes.models import NodeSession
from hive_portal import env
from tests.deployments.conftest import Hive, active

BEE, OTHER = "0x" + "1" * 40, "0x" + "2" * 40


@pytest.fixture(autouse=True)
def installed(settings: Any) -> None:
    """A Hive that is not on the Bee owner's own machine, with nothing allowed."""
    settings.HIVE_PORTAL_URL = "https://hive.example"
    settings.HIVE_BEE_NETWORKS = []


def fault(endpoint: str, peer: str | None = "203.0.113.7") -> str:
    return fault_of(endpoint, node_id=BEE, peer=peer)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[::ffff:10.0.0.7]:80", ("10.0.0.7", 80)),
        ("[fe80::1%eth0]:80", None),
        ("example.org:80", None),
        ("127.0.0.1", None),
        ("127.0.0.1:", None),
        ("127.0.0.1:0", None),
        ("127.0.0.1:65536", None),
        ("127.0.0.1:+80", None),
        ("127.0.0.1:٨٠", None),
        ("", None),
    ],
)
def test_it_reads_endpoints(text: str, address: tuple[str, int] | None) -> None:
    assert parse_endpoint(text) == address


@pytest.mark.parametrize(
    ("endpoint", "peer"),
    [
        ("203.0.113.7:31000", "203.0.113.7"),
        ("[2001:db8::7]:31000", "2001:db8::7"),
        ("203.0.113.7:31000", "::ffff:203.0.113.7"),
    ],
)
def test_a_bee_is_where_it_calls_from(endpoint: str, peer: str) -> None:
    assert fault(endpoint, peer) == ""


@pytest.mark.parametrize(
    "endpoint", ["10.0.0.9:5432", "169.254.169.254:80", "127.0.0.1:31000", "[::1]:31000", "0.0.0.0:31000"]
)
def test_it_is_nowhere_else(endpoint: str) -> None:
    assert "is not routed, because the bee calls from 203.0.113.7" in fault(endpoint)
    assert "calls from an unknown address" in fault(endpoint, None)


def test_it_says_what_to_do() -> None:
    assert fault("10.0.0.9:31000") == (
        "its endpoint 10.0.0.9:31000 is not routed, because the bee calls from 203.0.113.7: "
        'set advertise = "203.0.113.7" in its bee.toml, '
        "or have the operator add 10.0.0.9 to HIVE_BEE_NETWORKS"
    )
    assert fault("bee.example:80").startswith('its endpoint "bee.example:80" is not <IP address>:<port>')


def test_the_operator_may_allow_networks(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_BEE_NETWORKS", f"10.0.0.0/24, {OTHER.upper().replace('X', 'x')}=10.0.1.7/32")
    settings.HIVE_BEE_NETWORKS = env.networks("HIVE_BEE_NETWORKS")
    assert fault("10.0.0.9:31000") == ""
    assert fault("10.0.1.7:31000") != ""
    assert fault_of("10.0.1.7:31000", node_id=OTHER, peer=None) == ""


@pytest.mark.parametrize("endpoint", ["127.0.0.1:31000", "169.254.169.254:80", "[::1]:31000"])
def test_a_wide_network_does_not_reach_what_is_special(settings: Any, endpoint: str) -> None:
    everything = [ipaddress.ip_network(each) for each in ("0.0.0.0/0", "::/0")]
    settings.HIVE_BEE_NETWORKS = [("", each) for each in everything]
    assert fault(endpoint) != ""


def test_loopback_is_a_bees_own_only_where_the_hive_is_local(settings: Any) -> None:
    assert fault("127.0.0.1:31000", "127.0.0.1") != ""  # may be anybody's, through a proxy
    settings.HIVE_PORTAL_URL = "http://localhost:8000"
    assert fault("127.0.0.1:31000", "127.0.0.1") == ""
    assert fault("127.0.0.2:31000", "127.0.0.1") != ""


def test_it_never_shows_the_queens_own_ports(settings: Any) -> None:
    settings.HIVE_PORTAL_URL = "http://localhost:8000"
    settings.REDIS_URL = "redis://127.0.0.1:6390/0"
    assert {8000, 6390} <= queens_ports()
    for port in queens_ports():
        assert "a port of the Queen's own" in fault(f"127.0.0.1:{port}", "127.0.0.1")
    assert fault("203.0.113.7:8000") == ""  # another machine's


# -- what comes of it -------------------------------------------------------------------------------------


def told(assignment: Assignment, endpoint: str) -> dict[str, Observed]:
    report = ObservedAssignment(
        assignment_id=str(assignment.pk),
        generation=assignment.generation,
        state=RunState.HEALTHY,
        endpoint=endpoint,
    )
    return {assignment.node_id: Observed(revision=1, at_ms=0, assignments=[report])}


@pytest.fixture
def local(settings: Any) -> None:
    settings.HIVE_PORTAL_URL = "http://localhost:8000"


@pytest.mark.django_db
def test_a_replica_elsewhere_is_unhealthy_and_not_routed(
    local: None, running: Deployment, hive: Hive
) -> None:
    one = active(running)[0]
    accepted = one.endpoint
    take_observations(told(one, "169.254.169.254:80"))
    [backend] = edge.backends()
    assert len(backend.endpoints) == 2

    hive.look()

    replica = Replica.objects.get(pk=one.replica_id)
    assert replica.state == "unhealthy"
    assert "its endpoint 169.254.169.254:80 is not routed" in replica.reason
    one.refresh_from_db()
    assert one.endpoint == accepted  # the access log is not asked for a foreign one

    take_observations(told(one, accepted))
    hive.look()
    replica.refresh_from_db()
    assert replica.state == "healthy"


@pytest.mark.django_db
def test_it_asks_anew_when_the_bee_calls_from_elsewhere(local: None, running: Deployment) -> None:
    one = active(running)[0]
    NodeSession.objects.filter(node=one.node_id).update(peer="203.0.113.7")
    take_observations(told(one, one.endpoint))
    one.refresh_from_db()
    assert "the bee calls from 203.0.113.7" in one.endpoint_fault
