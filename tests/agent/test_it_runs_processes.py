"""The process runtime, with real processes: a guard, its payload, and what both leave behind."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from agent import clock
from agent.health import problem_with
from agent.protocol import HealthCheck
from agent.runtimes.base import ImageMissing, Run, RuntimeFault, Status
from agent.runtimes.process import ProcessRuntime
from tests.agent.conftest import SERVER, put_image
from tests.agent.natives import end_of, order, payload_of, tree_of, until, without_walls
from tests.needs import need, needs_root

pytestmark = pytest.mark.real

FORKER = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"]).wait()
if os.fork() == 0:
    os.setsid()  # leaves its session, as a daemon does
    time.sleep(600)
time.sleep(600)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
TALKER = (
    "import sys\nfor i in range(10): print('line', i)\nprint('said on the other stream', file=sys.stderr)"
)
HUNGRY = "import time; held = bytearray(200 << 20); time.sleep(600)"
_STANDING_STILL = {psutil.STATUS_STOPPED, psutil.STATUS_DISK_SLEEP}
"""Signalled to stop, or frozen with its control group."""
PROGRAMS = {
    "server": SERVER,
    "forker": FORKER,
    "stubborn": STUBBORN,
    "talker": TALKER,
    "hungry": HUNGRY,
}


@pytest.fixture(params=["walls", "no walls"])
def runtime(home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ProcessRuntime:
    if request.param == "walls":
        need("bwrap")
    else:
        without_walls(monkeypatch)
    for name, program in PROGRAMS.items():
        put_image(home, f"test/{name}:1", program)
    return ProcessRuntime(home)


async def test_it_serves_on_the_port_it_was_given_and_stops(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    health = HealthCheck(kind="http", path="/")
    await until(lambda: _passes(run, health, runtime))
    assert await problem_with(run, HealthCheck(kind="http", path="/bad"), runtime) == "GET /bad answered 500"
    assert await problem_with(run, HealthCheck(kind="tcp"), runtime) == ""
    await runtime.stop(run, 1)
    assert await problem_with(run, health, runtime) != ""
    await runtime.remove(run)
    assert await runtime.adopt() == []


async def _passes(run: Run, health: HealthCheck, runtime: ProcessRuntime) -> bool:
    return not await problem_with(run, health, runtime)


async def test_it_tells_the_payload_who_it_is_and_nothing_of_the_agent(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVE_BEE_PASSWORD", "secret")
    run = await runtime.start(order("server", environment={"COLOUR": "amber"}))
    await until(lambda: _passes(run, HealthCheck(), runtime))
    environment = payload_of(run).environ()
    assert (environment["HIVE_REPLICA"], environment["HIVE_GENERATION"]) == ("web-1", "3")
    assert environment["COLOUR"] == "amber"
    assert run.endpoint == f"127.0.0.1:{environment['PORT']}"
    assert "HIVE_BEE_PASSWORD" not in environment
    assert "HIVE_BEE_PASSWORD" not in psutil.Process(int(run.detail["guard_pid"])).environ()
    await runtime.stop(run, 1)


async def _tree_with_daemon(run: Run) -> list[psutil.Process]:
    """Payload and the daemon it left its session for; empty until both are there."""
    found = tree_of(run)
    return found if len(found) == 2 and len({os.getsid(each.pid) for each in found}) == 2 else []


async def test_it_counts_the_time_of_children_that_have_ended(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("forker"))

    await until(lambda: _tree_with_daemon(run))
    before = (await runtime.usage(run)).cpu_ms
    assert before >= 290
    await runtime.stop(run, 1)
    assert (await runtime.usage(run)).cpu_ms >= before, "and still after the end"


async def test_it_ends_every_process_however_it_forked(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("forker"))
    processes = await until(lambda: _tree_with_daemon(run))
    await runtime.stop(run, 1)
    assert not any(each.is_running() for each in processes)


async def test_it_kills_what_ignores_sigterm_after_the_grace(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("stubborn"))

    async def ignores_sigterm() -> bool:
        status = Path(f"/proc/{payload_of(run).pid}/status").read_text()
        ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
        return bool(int(ignored, 16) & 1 << (signal.SIGTERM - 1))

    await until(ignores_sigterm)
    began = time.monotonic()
    await runtime.stop(run, 0.3)
    assert 0.25 < time.monotonic() - began < 2
    assert not (await runtime.status(run)).alive


async def test_it_ends_a_payload_whose_lease_ran_out_without_an_agent(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server", lease_s=0.5))
    assert (await end_of(runtime, run)).startswith("its lease ran out")


async def test_it_lets_a_renewed_lease_run_on(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server", lease_s=0.7))
    await runtime.renew(run, clock.boot_s() + 60)
    await asyncio.sleep(1.5)
    assert (await runtime.status(run)).alive
    await runtime.stop(run, 1)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../outside", "a/../..", "deep/er", "/{home}/outside", "a\0b"]
)
async def test_it_empties_no_folder_but_its_own(runtime: ProcessRuntime, home: Path, name: str) -> None:
    kept = [home / "work/outside/file", home / "outside/file", home / "work/process/other/file"]
    for each in kept:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch()
    given = order("server")
    assignment = replace(given.assignment, assignment_id=name.format(home=home))
    with pytest.raises(RuntimeFault, match="can't name a folder"):
        await runtime.start(replace(given, assignment=assignment))
    assert all(each.exists() for each in kept)


async def test_it_says_when_there_is_no_room_for_a_replica(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("agent.runtimes.guarded.work_folder.make", is_full)
    with pytest.raises(RuntimeFault, match=r"work folder can't be made: .* No space left on device"):
        await runtime.start(order("server"))


async def test_it_ends_what_takes_more_memory_than_is_rented(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("hungry"))
    assert "102 MiB are rented" in await end_of(runtime, run)


async def test_it_says_how_a_payload_ended(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    payload_of(run).send_signal(signal.SIGKILL)
    assert await end_of(runtime, run) == "killed by SIGKILL"
    assert (await runtime.status(run)).ended_s == pytest.approx(clock.boot_s(), abs=2)


async def test_it_takes_the_payload_along_when_its_guard_is_killed(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    payload = payload_of(run)
    os.kill(int(run.detail["guard_pid"]), signal.SIGKILL)
    assert await end_of(runtime, run) == "killed together with its guard"
    payload.wait(timeout=2)


async def test_it_finds_its_runs_again(runtime: ProcessRuntime, home: Path) -> None:
    run = await runtime.start(order("server"))
    successor = ProcessRuntime(home)
    assert await successor.adopt() == [run]
    assert (await successor.status(run)).alive
    await successor.stop(run, 1)
    assert not (await successor.status(run)).alive


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("hive/none:1", "image hive/none:1 is not in this bee's catalogue"),
        ("../../etc:1", "'../../etc:1' is not the name of a native image (name[:tag])"),
        ("test/server:../1", "'test/server:../1' is not the name of a native image (name[:tag])"),
        ("/etc/passwd", "'/etc/passwd' is not the name of a native image (name[:tag])"),
    ],
)
async def test_it_says_why_an_image_cannot_be_had(runtime: ProcessRuntime, image: str, reason: str) -> None:
    with pytest.raises(ImageMissing) as missing:
        await runtime.prepare(replace(order("server").assignment.workload, image=image))
    assert str(missing.value) == reason


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"entrypoint": ["/bin/sh"]}, "entrypoint"),
        ({"command": ["-c", "id"]}, "takes no command"),
        ({"environment": {"LD_PRELOAD": "/tmp/x.so"}}, "LD_PRELOAD"),
        ({"environment": {"PATH": "/tmp"}}, "PATH"),
        ({"environment": {"PERL5OPT": "-Mstrict;system('id')"}}, "PERL5OPT"),
        ({"environment": {"SHELLOPTS": "xtrace", "PS4": "$(id)"}}, "PS4, SHELLOPTS"),
    ],
)
async def test_it_runs_the_owners_program_and_no_other(
    runtime: ProcessRuntime, fields: dict[str, Any], word: str
) -> None:
    with pytest.raises(RuntimeFault, match=word):
        await runtime.start(order("server", **fields))


async def test_it_runs_commands_inside_the_replica(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    assert await runtime.execute(run, ["/bin/sh", "-c", 'test "$HIVE_REPLICA" = web-1'], 5) == 0
    assert await runtime.execute(run, ["/bin/sh", "-c", "exit 3"], 5) == 3
    with pytest.raises(TimeoutError):
        await runtime.execute(run, ["/bin/sleep", "60"], 0.2)
    await runtime.stop(run, 1)


@needs_root
async def test_it_gives_each_replica_a_user_of_its_own_where_it_can(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.runtimes.guarded.confinement._others_read", lambda path, alone: True)
    image = runtime._catalogue / "test" / "sleeper" / "1"
    image.mkdir(parents=True)
    (image / "image.json").write_text('{"entrypoint": ["/bin/sleep", "600"]}')
    home = runtime._work.parents[1]
    for folder in (home, *home.parents[:-2]):
        if not folder.stat().st_mode & 1:
            folder.chmod(0o711)
    first, second = [await runtime.start(order("sleeper")) for _ in range(2)]
    users = {payload_of(run).uids().real for run in (first, second)}
    assert len(users) == 2
    assert 0 not in users
    assert runtime.confines_console(first)
    assert await runtime.execute(first, ["/bin/cat", str(home / "work")], 5) != 0
    assert (
        await runtime.execute(first, ["/bin/ls", str(Path(str(second.detail["folder"])) / "files")], 5) != 0
    )
    for run in (first, second):
        await runtime.stop(run, 1)


@needs_root
async def test_it_lets_no_team_choose_the_user(
    runtime: ProcessRuntime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A command that names what a stranger can't read must not make the replica run as root."""
    image = runtime._catalogue / "test" / "shell" / "1"
    image.mkdir(parents=True)
    (image / "image.json").write_text('{"entrypoint": ["/bin/sh", "-c", "sleep 600"], "takes_command": true}')
    for folder in (runtime._work.parents[1], *runtime._work.parents[1].parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    secret = tmp_path_factory.mktemp("secret")
    secret.chmod(0o700)
    for command in (["/nowhere/at/all"], [str(secret)]):
        run = await runtime.start(order("shell", command=command))
        assert payload_of(run).uids().real != 0
        await runtime.stop(run, 1)


async def test_it_calls_no_shell_confined_that_has_neither_walls_nor_a_user_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest's folders are closed to others, so that no other user could run what is in them."""
    without_walls(monkeypatch)
    put_image(home, "test/server:1", SERVER)
    runtime = ProcessRuntime(home)
    run = await runtime.start(order("server"))
    assert payload_of(run).uids().real == os.getuid()
    assert not runtime.confines_console(run)
    await runtime.stop(run, 1)


async def test_it_pauses_the_whole_tree_and_lets_it_go_on(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("forker"))
    tree = await until(lambda: _tree_with_daemon(run))
    await runtime.pause(run)
    await runtime.pause(run)
    before = [each.cpu_times() for each in tree]
    assert {each.status() for each in tree} <= _STANDING_STILL
    assert (await runtime.status(run)).paused
    await runtime.resume(run)
    assert psutil.STATUS_STOPPED not in {each.status() for each in tree}
    assert before == [each.cpu_times() for each in tree]
    assert (await runtime.status(run)) == Status(alive=True)
    await runtime.stop(run, 1)


async def test_it_stops_what_is_paused(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    await until(lambda: _passes(run, HealthCheck(), runtime))
    await runtime.pause(run)
    began = time.monotonic()
    await runtime.stop(run, 5)
    assert time.monotonic() - began < 3, "it heard SIGTERM, and was not killed"


async def test_nobody_goes_into_what_stands_still_or_has_ended(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    await runtime.pause(run)
    with pytest.raises(RuntimeFault, match="paused by the bee's owner"):
        await runtime.execute(run, ["/bin/true"], 5)
    with pytest.raises(RuntimeFault, match="paused by the bee's owner"):
        await runtime.terminal(run, None, 80, 24)
    await runtime.resume(run)
    assert await runtime.execute(run, ["/bin/true"], 5) == 0
    await runtime.stop(run, 1)
    with pytest.raises(RuntimeFault, match="has ended"):
        await runtime.execute(run, ["/bin/true"], 5)


async def test_it_tells_the_last_lines_it_wrote(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("talker"))
    assert (await end_of(runtime, run)).endswith("said on the other stream")
    assert await runtime.logs(run, 2) == b"line 9\nsaid on the other stream\n"
    assert await runtime.logs(run, 0) == b""


async def test_it_opens_a_shell_on_a_terminal(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("server"))
    terminal = await runtime.terminal(run, None, 100, 30)
    await terminal.write(b"stty size; echo $HIVE_REPLICA; exit 5\n")
    output = b""
    while data := await terminal.read():
        output += data
    assert b"30 100" in output
    assert b"web-1" in output
    assert await terminal.wait() == 5
    await terminal.close()
    await runtime.stop(run, 1)
