"""The edge: files for Envoy, and a real Envoy that obeys them while replicas come, go and die."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from apps.deployments import edge
from apps.deployments.applying import stop
from apps.deployments.envoy import Backend
from apps.deployments.models import Assignment, Deployment, Replica
from apps.nodes.models import Node, NodeState
from hive_portal.stack import HiveHome, ports
from hive_portal.stack.envoy import Edge
from tests.deployments.conftest import TESTER, active, seconds

pytestmark = pytest.mark.real

HOST = "web.hello.bakery.localhost"
HELLO = Backend(
    name="ab12", host=HOST, health_path="/health", endpoints=(("127.0.0.1", 31001), ("127.0.0.1", 31002))
)


# -- what is routed ---------------------------------------------------------------------------------------


def routed() -> set[int]:
    [backend] = edge.backends()
    return {port for _, port in backend.endpoints}


@pytest.mark.django_db
def test_it_routes_what_is_healthy(running: Deployment) -> None:
    [backend] = edge.backends()
    assert (backend.host, backend.health_path) == (HOST, "/health")
    assert len(backend.endpoints) == 3


@pytest.mark.django_db
def test_it_routes_only_the_current_generation_under_a_lease(running: Deployment) -> None:
    old, late, failing = active(running)
    Replica.objects.filter(pk=old.replica_id).update(generation=2)
    Assignment.objects.filter(pk=late.pk).update(lease_until=timezone.now() - seconds(1))
    Replica.objects.filter(pk=failing.replica_id).update(state="unhealthy")
    assert routed() == set()


@pytest.mark.django_db
def test_it_routes_to_a_silent_node_but_not_to_a_lost_one(running: Deployment) -> None:
    silent, lost, _ = active(running)
    Node.objects.filter(pk=silent.node_id).update(state=NodeState.UNKNOWN)
    for state in (NodeState.UNKNOWN, NodeState.OFFLINE):
        Node.objects.filter(pk=lost.node_id).update(state=state)
    assert len(routed()) == 2


@pytest.mark.django_db
def test_it_routes_nothing_of_a_stopped_deployment(running: Deployment) -> None:
    stop(running, actor=TESTER, reason="enough")
    assert edge.backends() == []


# -- the files --------------------------------------------------------------------------------------------


def test_it_writes_endpoints_clusters_and_routes(tmp_path: Path) -> None:
    assert edge.write([HELLO], folder=tmp_path)
    eds, cds, rds = (
        json.loads((tmp_path / name).read_text()) for name in ("eds/ab12.json", "cds.json", "rds.json")
    )
    [group] = eds["resources"][0]["endpoints"]
    addresses = [one["endpoint"]["address"]["socket_address"] for one in group["lb_endpoints"]]
    assert [(one["address"], one["port_value"]) for one in addresses] == list(HELLO.endpoints)
    [cluster] = cds["resources"]
    assert cluster["eds_cluster_config"]["eds_config"]["path_config_source"]["path"] == str(
        tmp_path / "eds/ab12.json"
    )
    [host, nobody] = rds["resources"][0]["virtual_hosts"]
    assert host["domains"] == [HOST]
    assert nobody["domains"] == ["*"]
    safe, other = (route["route"]["retry_policy"]["retry_on"].split(",") for route in host["routes"])
    assert "reset" in safe and "reset" not in other


def test_it_writes_only_what_changed(tmp_path: Path) -> None:
    edge.write([HELLO], folder=tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.json")}
    assert not edge.write([HELLO], folder=tmp_path)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.json")} == before


def test_it_clears_away_services_that_are_gone(tmp_path: Path) -> None:
    edge.write([HELLO], folder=tmp_path)
    edge.write([], folder=tmp_path)
    assert not list((tmp_path / "eds").iterdir())


# -- a real Envoy -----------------------------------------------------------------------------------------


REPLICA = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(sys.argv[1])))
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())

    do_POST = do_GET

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Server:
    """A replica: a process that answers its own name to GET and POST."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", REPLICA, name], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.endpoint = ("127.0.0.1", int(self.process.stdout.readline()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[Edge]:
    home = HiveHome(tmp_path / "hive")
    envoy = Edge(home, port=ports.find())
    envoy.start()
    try:
        envoy.child.wait_until_ready(envoy.ready)
        yield envoy
    finally:
        envoy.child.stop()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    servers = [Server(f"web-{number}") for number in (1, 2, 3)]
    yield servers
    for server in servers:
        server.kill()


CLIENT = httpx.Client(timeout=10)


def ask(envoy: Edge, *, method: str = "GET", host: str = HOST) -> httpx.Response:
    return CLIENT.request(method, envoy.url, headers={"Host": host})


def until(envoy: Edge, holds: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Ask until the answer is as it should be; a file takes a moment to reach Envoy."""
    deadline = time.monotonic() + 10
    while not holds(answer := ask(envoy)):
        assert time.monotonic() < deadline, f"{answer.status_code}: {answer.text}"
        time.sleep(0.01)
    return answer


def publish(envoy: Edge, servers: list[Server]) -> None:
    found = tuple(server.endpoint for server in servers)
    edge.write([Backend(name="ab12", host=HOST, health_path="/health", endpoints=found)], folder=envoy.folder)


def test_it_answers_for_nobody(envoy: Edge) -> None:
    answer = ask(envoy, host="nobody.localhost")
    assert (answer.status_code, answer.text) == (404, "no service answers at this host name\n")


def test_it_serves_from_every_replica(envoy: Edge, servers: list[Server]) -> None:
    publish(envoy, [])
    empty = until(envoy, lambda answer: answer.status_code == 503)
    assert empty.text == f"{HOST} has no healthy replica at the moment\n"
    publish(envoy, servers)
    until(envoy, lambda answer: answer.status_code == 200)
    seen = Counter(ask(envoy).text for _ in range(60))
    assert set(seen) == {"web-1", "web-2", "web-3"}
    assert ask(envoy, method="POST").status_code == 200
    assert ask(envoy, host=f"{HOST}:8080").status_code == 200


def test_it_hides_the_death_of_a_replica(envoy: Edge, servers: list[Server]) -> None:
    """SIGKILL in the midst of requests: what may be sent twice is, and nobody sees an error."""
    publish(envoy, servers)
    until(envoy, lambda answer: answer.status_code == 200)
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, envoy) for _ in range(300)]
        asked[100].result()
        servers[0].kill()
        asked += [pool.submit(ask, envoy) for _ in range(300)]
    assert Counter(one.result().status_code for one in asked) == {200: 600}


def test_it_sends_no_request_to_where_nobody_listens(envoy: Edge, servers: list[Server]) -> None:
    """A refused connection is tried elsewhere for any method: the replica never saw the request."""
    servers[0].kill()
    publish(envoy, servers)
    until(envoy, lambda answer: answer.status_code == 200)
    assert {ask(envoy, method="POST").status_code for _ in range(60)} == {200}


def test_it_forgets_a_replica_that_was_taken_away(envoy: Edge, servers: list[Server]) -> None:
    publish(envoy, servers)
    until(envoy, lambda answer: answer.text == "web-1")
    publish(envoy, servers[1:])
    until(envoy, lambda answer: answer.text != "web-1")
    time.sleep(0.2)  # three workers' worth of Envoy's own propagation
    assert {ask(envoy).text for _ in range(40)} == {"web-2", "web-3"}
