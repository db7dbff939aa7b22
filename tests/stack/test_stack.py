"""The embedded servers, for real: their data outlives them, they don't outlive the Hive."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis
from eth_account import Account
from eth_utils.address import to_checksum_address

from hive_portal.stack import HiveHome, Stack, StackError, ports, postgres
from hive_portal.stack.envoy import nothing_here
from hive_portal.stack.glm import DevelopmentGlm
from tests.needs import needs_chain, needs_root

pytestmark = pytest.mark.real

ELSEWHERE = {"DATABASE_URL": "postgresql://elsewhere/hive", "REDIS_URL": "redis://elsewhere"}


def processes_of(home: HiveHome) -> list[str]:
    """Whatever still runs with this home on its command line or as its working folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                words = [*process.cmdline(), process.cwd()]
                found += [words[0] for word in words if str(home.path) in word][:1]
        except psutil.Error:
            continue
    return found


def test_it_keeps_data_from_one_start_to_the_next(home: HiveHome) -> None:
    with Stack(home, environ={}) as stack, psycopg.connect(stack.env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE proof AS SELECT 42 AS answer")
    assert processes_of(home) == []

    started = time.monotonic()
    with Stack(home, environ={}) as stack:
        took_s = time.monotonic() - started
        with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT answer FROM proof").fetchone() == (42,)
    assert took_s < 5


def test_the_application_is_no_superuser(home: HiveHome) -> None:
    with (
        Stack(home, durable=False, environ={}) as stack,
        psycopg.connect(stack.env["DATABASE_URL"]) as database,
    ):
        role = database.execute(
            "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        assert role.fetchone() == ("hive", False, False)
        database.execute("CREATE TABLE nouns (word text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute("SET session_replication_role = replica")


def test_its_redis_wants_the_password(home: HiveHome) -> None:
    with Stack(home, environ={}) as stack:
        assert redis.Redis.from_url(stack.env["REDIS_URL"]).set("key", "value")
        port = redis.Redis.from_url(stack.env["REDIS_URL"]).connection_pool.connection_kwargs["port"]
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).get("key")


def test_it_leaves_servers_alone_that_the_environment_names(home: HiveHome) -> None:
    stack = Stack(home, environ=ELSEWHERE)

    assert stack.servers == []
    assert stack.env == {"HIVE_HOME": str(home.path)}


@needs_chain
def test_nothing_survives_a_killed_hive_and_the_next_start_has_the_data(home: HiveHome) -> None:
    program = f"""
import time
from hive_portal.stack import HiveHome, Stack
with Stack(HiveHome("{home.path}"), edge_port={ports.find()}, chain=True, environ={{}}) as stack:
    print(stack.env["DATABASE_URL"], flush=True)
    time.sleep(100)
"""
    hive = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert hive.stdout is not None
    url = hive.stdout.readline().strip()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE proof AS SELECT 42 AS answer")
    assert len(processes_of(home)) >= 4

    hive.kill()
    hive.wait()

    give_up_at = time.monotonic() + 10
    while processes_of(home) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert processes_of(home) == []
    with Stack(home, environ={}) as stack, psycopg.connect(stack.env["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT answer FROM proof").fetchone() == (42,)


def test_a_killed_database_comes_back_with_its_data(home: HiveHome) -> None:
    with Stack(home, environ={}) as stack:
        assert stack.postgres is not None
        with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE proof AS SELECT 42 AS answer")
        child = stack.postgres.child
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        while child.running:
            time.sleep(0.01)

        child.start()
        child.wait_until_ready(stack.postgres.ready)

        with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT answer FROM proof").fetchone() == (42,)


@needs_root
def test_root_has_data_and_program_elsewhere_where_the_database_user_cannot_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hive-"))  # mode 0700, as root's own folder is
    system = Path(tempfile.mkdtemp(prefix="hive-"))
    system.chmod(0o755)
    monkeypatch.setattr(postgres, "SYSTEM_FOLDER", system)
    monkeypatch.setattr(postgres, "_others_may_pass", lambda path: False)
    home = HiveHome(folder / "home")
    try:
        with Stack(home, environ={"REDIS_URL": ""}) as stack:
            assert psycopg.connect(stack.env["DATABASE_URL"]).execute("SELECT 1").fetchone() == (1,)
        assert (home.path / "postgres").resolve().parent == system
        with Stack(home, environ={"REDIS_URL": ""}) as stack:
            assert psycopg.connect(stack.env["DATABASE_URL"]).execute("SELECT 1").fetchone() == (1,)
    finally:
        shutil.rmtree(system)
        shutil.rmtree(folder)


def test_a_link_to_data_that_is_gone_is_no_fresh_start(home: HiveHome) -> None:
    (home.path / "postgres").symlink_to("/nowhere/data")

    with pytest.raises(StackError, match="leads to /nowhere/data, which is gone: remove the link"):
        Stack(home, environ={})


def test_a_home_with_a_long_name_still_has_a_socket() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hive-"))
    folder.chmod(0o711)
    home = HiveHome(folder / ("long-" * 20) / "home")
    for part in home.path.relative_to(folder).parents:
        (folder / part).chmod(0o711)
    try:
        for _ in range(2):
            with Stack(home, environ={"REDIS_URL": ""}) as stack:
                assert psycopg.connect(stack.env["DATABASE_URL"]).execute("SELECT 1").fetchone() == (1,)
        shutil.rmtree((home.folder("run") / "postgres-sockets").read_text())
    finally:
        shutil.rmtree(folder)


def test_the_edge_follows_the_files(home: HiveHome) -> None:
    port = ports.find()
    with Stack(home, edge_port=port, environ=ELSEWHERE) as stack:
        url = f"http://127.0.0.1:{port}/"
        host = {"Host": f"hello.localhost:{port}"}
        answer = httpx.get(url, headers=host)
        assert (answer.status_code, answer.text) == (404, "no service answers at this host name\n")

        routes = nothing_here()
        routes["virtual_hosts"].append(
            {
                "name": "hello",
                "domains": ["hello.localhost"],  # without the port: the edge strips it
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "direct_response": {"status": 200, "body": {"inline_string": "hello"}},
                    }
                ],
            }
        )
        edge = Path(stack.env["HIVE_EDGE_DIR"])
        (edge / "draft").write_text(json.dumps({"version_info": "1", "resources": [routes]}))
        changed = time.monotonic()
        (edge / "draft").rename(edge / "rds.json")

        while (answer := httpx.get(url, headers=host)).status_code != 200:
            assert time.monotonic() - changed < 5
        assert answer.text == "hello"

        log = edge / "access.log"
        while "hello.localhost" not in log.read_text() or '"response_code":200' not in log.read_text():
            assert time.monotonic() - changed < 10
            time.sleep(0.05)
        line = json.loads(log.read_text().splitlines()[-1])
        assert set(line) == {
            "time", "authority", "upstream_host", "upstream_cluster",
            "response_code", "bytes_received", "bytes_sent", "duration_ms",
        }  # fmt: skip
        assert (line["authority"], line["response_code"], line["bytes_sent"]) == ("hello.localhost", 200, 5)


@needs_chain
def test_the_chain_continues_where_it_stopped(home: HiveHome) -> None:
    wallet = Account.create()
    stranger = "0x00000000000000000000000000000000000000aa"

    def state(stack: Stack) -> tuple[str, int, int]:
        assert stack.chain is not None
        glm = DevelopmentGlm(stack.chain.url)
        balance = glm.token.functions.balanceOf(to_checksum_address(stranger)).call()
        return stack.env["HIVE_GLM_TOKEN"], balance, glm.w3.eth.block_number

    with Stack(home, chain=True, environ=ELSEWHERE) as stack:
        assert stack.chain is not None
        DevelopmentGlm(stack.chain.url).deposit(wallet, stranger, Decimal(1))
        token, balance, height = state(stack)
        assert balance == 10**18

    with Stack(home, chain=True, environ=ELSEWHERE) as stack:
        assert state(stack)[:2] == (token, balance)
        assert state(stack)[2] >= height


@needs_chain
def test_the_chain_outlives_a_half_written_state(home: HiveHome) -> None:
    for _ in range(2):
        with Stack(home, chain=True, environ=ELSEWHERE) as stack:
            token = stack.env["HIVE_GLM_TOKEN"]
    state = home.path / "chain" / "state.json"
    state.write_bytes(state.read_bytes()[:1000])

    with Stack(home, chain=True, environ=ELSEWHERE) as stack:
        assert stack.env["HIVE_GLM_TOKEN"] == token
