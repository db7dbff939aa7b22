"""One real machine, which boots once for all these sentences: they leave it as it was."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from agent.health import problem_with
from agent.protocol import HealthCheck
from agent.runtimes.base import Run, RuntimeFault
from agent.runtimes.qemu.runtime import QemuRuntime
from tests.agent.machines import (
    HTTP,
    booted,
    order,
    output_of,
    page,
    put_machine,
    read_until,
    said,
    until,
    written,
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.needs("qemu"),
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[QemuRuntime, Run]]:
    home = tmp_path_factory.mktemp("bee")
    put_machine(home)
    runtime = QemuRuntime(home)
    await runtime.self_test()
    environment = {"COLOUR": 'it\'s "amber" at $HOME\n', "HIVE_REPLICA": "another"}
    run = await booted(runtime, order(environment=environment))
    yield runtime, run
    await runtime.stop(run, 10)


async def test_it_serves_through_its_endpoint(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    assert await page(run) == "web-1\n"
    assert await problem_with(run, HTTP, runtime) == ""
    assert await problem_with(run, HealthCheck(kind="tcp"), runtime) == ""
    assert (
        await problem_with(run, HealthCheck(kind="http", path="/none"), runtime) == "GET /none answered 404"
    )


async def test_it_tells_the_machine_who_it_is_and_what_the_team_set(machine: tuple[QemuRuntime, Run]) -> None:
    command = "tr '\\0' '\\n' </proc/$(pidof httpd)/environ"
    variables = (await said(machine, command)).splitlines()
    assert 'COLOUR=it\'s "amber" at $HOME' in variables
    assert {"HIVE_REPLICA=web-1", "HIVE_NODE=0xbee", "HIVE_GENERATION=3", "PORT=80"} <= set(variables)


async def test_it_has_the_memory_and_processors_that_are_rented(machine: tuple[QemuRuntime, Run]) -> None:
    total_kib = int((await said(machine, "grep MemTotal /proc/meminfo")).split()[1])
    assert 0.5 * 102 < total_kib / 1024 < 102
    assert await said(machine, "nproc") == "1\n"


async def test_it_lives_on_when_its_programs_want_more_memory_than_it_has(
    machine: tuple[QemuRuntime, Run],
) -> None:
    """The machine's own kernel ends the program: QEMU has what it needs beside all of its memory."""
    runtime, run = machine
    status = await runtime.execute(run, ["sh", "-c", "exec tail </dev/zero"], 60)
    assert status == 128 + 9
    assert (await runtime.status(run)).alive
    assert await page(run) == "web-1\n"


async def test_it_reaches_neither_its_host_nor_anybody_else(machine: tuple[QemuRuntime, Run]) -> None:
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(0.1)
        for address in ("10.0.2.2", own_address()):
            status = await said(machine, f"nc -w 2 {address} {port} </dev/null; echo $?")
            assert status.splitlines()[-1] == "1"
        with pytest.raises(TimeoutError):
            listener.accept()


async def test_it_runs_commands(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    assert await runtime.execute(run, ["/bin/sh", "-c", 'test "$(hostname)" = web-1'], 10) == 0
    assert await runtime.execute(run, ["sh", "-c", "exit 3"], 10) == 3
    assert await problem_with(run, HealthCheck(kind="command", command=["false"]), runtime) == (
        "false exited with status 1"
    )
    with pytest.raises(RuntimeFault, match=r"the guest agent refuses: .*nothing-of-that-name"):
        await runtime.execute(run, ["/bin/nothing-of-that-name"], 10)


async def test_it_ends_a_command_that_takes_too_long(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    with pytest.raises(TimeoutError):
        await runtime.execute(run, ["sleep", "4242"], 1)

    async def gone() -> bool:
        return "4242" not in await said(machine, "ps | grep '[s]leep' || true")

    await until(gone, 10)


async def test_it_runs_commands_at_once(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    sleepers = [runtime.execute(run, ["sleep", "1"], 20) for _ in range(5)]
    began = time.monotonic()
    assert await asyncio.gather(*sleepers) == [0] * 5
    assert time.monotonic() - began < 4


async def test_it_tells_what_a_command_wrote(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    terminal = await runtime.terminal(run, "echo one; echo 'two \"2\"' >&2; exit 5", 80, 24)
    assert await output_of(terminal) == b'one\ntwo "2"\n'
    assert await terminal.wait() == 5
    await terminal.close()


async def test_it_gives_its_console_to_one_at_a_time(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    assert runtime.confines_console(run)
    first = await runtime.terminal(run, None, 80, 24)
    with pytest.raises(RuntimeFault, match="somebody else has this machine's console"):
        await runtime.terminal(run, None, 80, 24)
    await first.write(b"echo ab''cd\n")
    await read_until(first, b"abcd\r\n")
    await first.close()
    second = await runtime.terminal(run, None, 80, 24)
    assert b"abcd\r\n" in await second.read(), "it begins with what was shown last"
    await second.write(b"echo ef''gh\n")
    await read_until(second, b"efgh\r\n")
    await second.close()
    await until(lambda: written(runtime, run, b"efgh\n"), 5)


async def test_it_counts_the_time_of_its_processors(machine: tuple[QemuRuntime, Run]) -> None:
    runtime, run = machine
    before = (await runtime.usage(run)).cpu_ms
    assert before > 200, "it has booted"
    loop = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
    assert await runtime.execute(run, ["sh", "-c", loop], 60) == 0
    assert (await runtime.usage(run)).cpu_ms - before > 100


@pytest.mark.needs("bwrap", "root")
async def test_it_stands_behind_walls_of_its_own(machine: tuple[QemuRuntime, Run]) -> None:
    """Whoever broke out of the machine would be nobody, in a process that may not start another."""
    process = psutil.Process(int(machine[1].detail["payload_pid"]))
    assert process.uids().real != 0
    assert os.readlink(f"/proc/{process.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    assert process.name().startswith("qemu-system")
    seccomp = next(
        line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "Seccomp:" in line
    )
    assert seccomp.split()[1] == "2"
    words = " ".join(process.cmdline())
    assert "amber" not in words, "what the team set is on no command line"
    assert "amber" not in str(process.environ())


def own_address() -> str:
    """Of this machine, for whoever is outside; its loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
