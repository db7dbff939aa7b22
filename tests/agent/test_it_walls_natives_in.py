"""What a native replica sees of the machine: itself, the system's folders and its image."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from agent.runtimes.base import Run
from agent.runtimes.guarded import bubblewrap
from agent.runtimes.process import ProcessRuntime
from tests.agent.conftest import PYTHON, ROOT, SERVER, put_image
from tests.agent.natives import end_of, order, payload_of, until
from tests.needs import needs_root

pytestmark = [pytest.mark.real, pytest.mark.needs("bwrap")]

LOOK = r"""
import json, os, pathlib, socket
def tries(work):
    try: return work() or "done"
    except OSError as error: return type(error).__name__
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
seen = {
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "root": sorted(os.listdir("/")),
    "keystore": tries(lambda: open(os.environ["KEYSTORE"]).read()),
    "home": tries(lambda: os.listdir(os.environ["BEE"])),
    "work": tries(lambda: os.listdir(os.path.join(os.environ["BEE"], "work", "process"))),
    "shadow": tries(lambda: open("/etc/shadow").read()),
    "users": [line.split(":")[0] for line in open("/etc/passwd")],
    "writes": {
        place: tries(lambda: pathlib.Path(place, "mine").write_text("mine") and None)
        for place in ("/", "/usr", "/etc", "/dev", "/tmp", "/dev/shm", ".", os.environ["BEE"])
    },
    "capabilities": {status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16},
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "groups": os.getgroups(),
    "host": socket.gethostname(),
    "environment": sorted(os.environ),
    "cgroup": open("/proc/self/cgroup").read().split("pids:")[-1].split()[0],
}
print(json.dumps(seen), flush=True)
import time; time.sleep(600)
"""


@pytest.fixture
def runtime(home: Path) -> ProcessRuntime:
    put_image(home, "test/look:1", LOOK, env={"KEYSTORE": str(home / "keystore.json"), "BEE": str(home)})
    put_image(home, "test/server:1", SERVER)
    (home / "keystore.json").write_text("the key")
    return ProcessRuntime(home)


async def seen_by(runtime: ProcessRuntime, run: Run) -> dict[str, Any]:
    return dict(json.loads(await until(lambda: runtime.logs(run, 1))))


async def test_it_sees_itself_and_nothing_of_the_machines_owner(runtime: ProcessRuntime, home: Path) -> None:
    neighbour, run = await runtime.start(order("server")), await runtime.start(order("look"))
    seen = await seen_by(runtime, run)
    assert seen["processes"] == [1, 2], "the sandbox's own first process, and it"
    assert set(seen["root"]) <= {
        "bin",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "proc",
        "sbin",
        "tmp",
        "usr",
    } | {Path(sys_path).parts[1] for sys_path in (str(home), os.__file__)}
    assert seen["keystore"] == "FileNotFoundError"
    assert set(seen["home"]) == {"images", "work"}, "only the ways to what is its own"
    assert seen["work"] == [run.assignment_id]
    assert seen["shadow"] == "FileNotFoundError"
    assert seen["users"] == ["replica", "nobody"]
    assert seen["host"] == "web-1"
    assert "HIVE_BEE_PASSWORD" not in seen["environment"]
    for each in (neighbour, run):
        await runtime.stop(each, 0)


async def test_it_writes_to_its_own_folders_alone(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("look"))
    writes = (await seen_by(runtime, run))["writes"]
    assert {place for place, said in writes.items() if said == "done"} == {"/tmp", "/dev/shm", "."}
    folder = Path(str(run.detail["folder"]))
    assert (folder / "tmp/mine").read_text() == "mine", "its /tmp is on the disk that is counted"
    assert not Path("/tmp/mine").exists()
    await runtime.stop(run, 0)


async def test_it_has_no_powers_and_can_gain_none(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("look"))
    seen = await seen_by(runtime, run)
    assert seen["capabilities"]
    assert seen["no_new_privileges"] == "1"
    assert 0 not in seen["groups"]
    await runtime.stop(run, 0)


@needs_root
async def test_it_runs_as_a_user_of_its_own_though_its_program_lies_in_a_closed_folder(
    runtime: ProcessRuntime, home: Path
) -> None:
    home.chmod(0o700)
    run = await runtime.start(order("server"))
    assert payload_of(run).uids().real >= 0x2000_0000
    assert runtime.confines_console(run)
    await runtime.stop(run, 1)


async def test_a_command_goes_behind_the_same_walls(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    assert await runtime.execute(run, ["/bin/sh", "-c", "test $(ls -d /proc/[0-9]* | wc -l) -lt 8"], 5) == 0
    assert await runtime.execute(run, ["/bin/sh", "-c", 'test "$(hostname)" = web-1'], 5) == 0
    assert await runtime.execute(run, ["/bin/cat", str(runtime._images.parent / "keystore.json")], 5) == 1
    for kind in ("pid", "mnt", "ipc", "uts"):
        ours = os.readlink(f"/proc/{payload_of(run).pid}/ns/{kind}")
        assert ours != os.readlink(f"/proc/self/ns/{kind}")
        assert (
            await runtime.execute(
                run, ["/bin/sh", "-c", f'test "$(readlink /proc/self/ns/{kind})" = "{ours}"'], 5
            )
            == 0
        )
    await runtime.stop(run, 1)


async def test_a_command_has_the_replicas_user_and_none_of_the_agents_powers(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    user = payload_of(run).uids().real
    assert await runtime.execute(run, ["/bin/sh", "-c", f"test $(id -u) = {user}"], 5) == 0
    nothing = 'test "$(grep -c "Cap[IPEA].*0000000000000000" /proc/self/status)" = 4'
    assert await runtime.execute(run, ["/bin/sh", "-c", nothing], 5) == 0
    await runtime.stop(run, 1)


async def test_a_shell_goes_behind_the_same_walls(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    terminal = await runtime.terminal(run, None, 80, 24)
    await terminal.write(b"hostname; cat /etc/passwd; tty; exit 4\n")
    output = b""
    while data := await terminal.read():
        output += data
    assert b"web-1" in output
    assert b"replica:x:" in output
    assert b"root:" not in output
    assert await terminal.wait() == 4
    await terminal.close()
    await runtime.stop(run, 1)


async def test_what_a_command_leaves_ends_when_its_time_is_up(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    with pytest.raises(TimeoutError):
        await runtime.execute(run, ["/bin/sleep", "7531"], 0.5)

    async def is_gone() -> bool:
        return not any(
            each.info["cmdline"] == ["/bin/sleep", "7531"] for each in psutil.process_iter(["cmdline"])
        )

    await until(is_gone)
    await runtime.stop(run, 1)


async def test_a_shell_ends_with_its_console(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    terminal = await runtime.terminal(run, "trap '' HUP; sleep 7532; true", 80, 24)

    async def sleepers() -> list[psutil.Process]:
        return [
            each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "7532"]
        ]

    await until(sleepers)
    await terminal.close()

    async def shell_is_gone() -> bool:
        return not any(
            "7532; true" in " ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"])
        )

    await until(shell_is_gone)
    await runtime.stop(run, 1)
    assert not await sleepers(), "and with the replica whatever the shell left"


async def test_nobody_on_the_machine_reads_its_variables(runtime: ProcessRuntime) -> None:
    """A command line is open to every user, an environment is not."""
    run = await runtime.start(order("server", environment={"TOKEN": "of-the-team"}))
    tree = psutil.Process(int(run.detail["guard_pid"])).children(recursive=True)
    assert not any("of-the-team" in word for each in tree for word in each.cmdline())
    assert payload_of(run).environ()["TOKEN"] == "of-the-team"
    await runtime.stop(run, 1)


async def test_it_says_what_could_not_be_executed(runtime: ProcessRuntime, home: Path) -> None:
    put_image(home, "test/bad:1", "", entrypoint=["/nowhere/program"])
    assert "/nowhere/program" in await end_of(runtime, await runtime.start(order("bad")))


async def test_it_reads_what_the_owner_lets_it(runtime: ProcessRuntime, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "words").write_text("for you")
    (tmp_path / "hidden").write_text("not for you")
    program = f"import os; print(open('{shown}/words').read(), os.path.exists('{tmp_path}/hidden'))"
    put_image(runtime._images.parent, "test/reader:1", program, reads=[str(shown)])
    assert (await end_of(runtime, await runtime.start(order("reader")))).endswith("for you False")


async def test_it_serves_while_it_is_walled_in(runtime: ProcessRuntime) -> None:
    """The network is the machine's, so that the edge reaches the endpoint."""
    run = await runtime.start(order("server"))
    host, port = run.endpoint.split(":")

    async def answers() -> bool:
        try:
            with socket.create_connection((host, int(port)), 1):
                return True
        except OSError:
            return False

    await until(answers)
    await runtime.stop(run, 1)


async def test_a_long_name_names_a_host_as_far_as_it_goes(runtime: ProcessRuntime) -> None:
    named = order("server")
    assignment = replace(named.assignment, replica="a-service-of-many-words-" * 4)
    run = await runtime.start(replace(named, assignment=assignment))
    inside = 'test "$(hostname)" = "$(echo "$HIVE_REPLICA" | cut -c -64)"'
    assert await runtime.execute(run, ["/bin/sh", "-c", inside], 5) == 0
    await runtime.stop(run, 1)


def test_it_finds_out_whether_the_walls_stand() -> None:
    assert bubblewrap.problem() == ""
    assert "does not work here" in bubblewrap._failure_of(
        [*bubblewrap.walls(folder=Path("/nowhere"), reads=[], uid=None), "true"]
    )


def test_it_shows_each_thing_once_and_nothing_twice_over() -> None:
    paths = [Path("/opt/a/b"), Path("/usr/bin/env"), Path("/opt/a"), Path("/opt/a"), Path("/srv")]
    assert bubblewrap.beyond_the_system(paths) == [Path("/opt/a"), Path("/srv")]


def _interpreter_of_everybody() -> str:
    """Where this one lies in a folder closed to others, the system's, if it is of the same version."""
    system = Path(f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}")
    if os.geteuid() != 0 or not any(path.stat().st_mode & 0o001 == 0 for path in Path(PYTHON).parents):
        return PYTHON
    if not system.exists():
        pytest.skip("no interpreter that an ordinary user can execute")
    return str(system)


def test_an_ordinary_users_bee_walls_its_replicas_in_too() -> None:
    """No root, no control groups that it could write, no user to give away: namespaces do it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "bee")
        home.mkdir()
        as_user: list[str] = []
        if os.geteuid() == 0:
            Path(name).chmod(0o711)
            os.chown(home, 4321, 4321)
            as_user = ["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"]
        modules = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
        done = subprocess.run(
            [*as_user, _interpreter_of_everybody(), "-m", "tests.agent.ordinary_user", str(home)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONPATH": ":".join(modules), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["user"] == seen["agent"] == (4321 if as_user else os.getuid())
    assert seen["processes"][:2] == [1, 2]
    assert seen["home"] == ["images", "work"]
    assert int(seen["powers"], 16) == 0
    assert seen["nested"] != 0, "it makes no namespaces of its own, which would give it powers inside them"
    assert seen["confined"]
    assert seen["command"] == 0
    assert seen["shell"] == ["web-1", str(seen["agent"])]
    assert seen["shell_status"] == 3
    assert seen["paused"]
    assert seen["end"].startswith("stopped")
    assert 390 <= seen["used_ms"] <= seen["used_in_all_ms"], (
        "also of children that have ended, and after the end"
    )
    assert seen["left"] == []
