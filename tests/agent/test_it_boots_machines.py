"""The qemu runtime with real machines: Debian's kernel, busybox and the guest agent, under QEMU."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from agent.config import write_config
from agent.health import problem_with
from agent.protocol import HealthCheck
from agent.runtimes import guarded, qemu
from agent.runtimes.base import ImageMissing, Run, RuntimeFault
from agent.runtimes.qemu import QemuRuntime
from tests.agent.conftest import config_for
from tests.agent.machines import BOOT_S, HTTP, IMAGE, booted, forget_image, order, page, put_machine, until
from tests.agent.queen_double import QueenDouble, assignment

pytestmark = [pytest.mark.real, pytest.mark.needs("qemu"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def images() -> Iterator[None]:
    yield
    forget_image()


@pytest.fixture
def runtime(home: Path) -> QemuRuntime:
    put_machine(home)
    return QemuRuntime(home)


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[QemuRuntime, Run]]:
    home = tmp_path_factory.mktemp("bee")
    put_machine(home)
    runtime = QemuRuntime(home)
    await runtime.self_test()
    environment = {"COLOUR": 'it\'s "amber" at $HOME\n', "HIVE_REPLICA": "another"}
    run = await booted(runtime, order(environment=environment))
    yield runtime, run
    await runtime.stop(run, 10)


class TestOneMachine:
    """Sentences about a machine that they leave as it was: it boots once for all of them."""

    pytestmark = pytest.mark.asyncio(loop_scope="class")

    async def test_it_serves_through_its_endpoint(self, machine: tuple[QemuRuntime, Run]) -> None:
        runtime, run = machine
        assert await page(run) == "web-1\n"
        assert await problem_with(run, HTTP, runtime) == ""
        assert await problem_with(run, HealthCheck(kind="tcp"), runtime) == ""
        assert (
            await problem_with(run, HealthCheck(kind="http", path="/none"), runtime)
            == "GET /none answered 404"
        )

    async def test_it_tells_the_machine_who_it_is_and_what_the_team_set(
        self, machine: tuple[QemuRuntime, Run]
    ) -> None:
        command = "tr '\\0' '\\n' </proc/$(pidof httpd)/environ"
        variables = (await said(machine, command)).splitlines()
        assert 'COLOUR=it\'s "amber" at $HOME' in variables
        assert {"HIVE_REPLICA=web-1", "HIVE_NODE=0xbee", "HIVE_GENERATION=3", "PORT=80"} <= set(variables)

    async def test_it_has_the_memory_and_processors_that_are_rented(
        self, machine: tuple[QemuRuntime, Run]
    ) -> None:
        total_kib = int((await said(machine, "grep MemTotal /proc/meminfo")).split()[1])
        assert 0.5 * 102 < total_kib / 1024 < 102
        assert await said(machine, "nproc") == "1\n"

    async def test_it_lives_on_when_its_programs_want_more_memory_than_it_has(
        self, machine: tuple[QemuRuntime, Run]
    ) -> None:
        """The machine's own kernel ends the program: QEMU has what it needs beside all of its memory."""
        runtime, run = machine
        status = await runtime.execute(run, ["sh", "-c", "exec tail </dev/zero"], 60)
        assert status == 128 + 9
        assert (await runtime.status(run)).alive
        assert await page(run) == "web-1\n"

    async def test_it_reaches_neither_its_host_nor_anybody_else(
        self, machine: tuple[QemuRuntime, Run]
    ) -> None:
        with socket.create_server(("", 0)) as listener:
            port = listener.getsockname()[1]
            listener.settimeout(0.1)
            for address in ("10.0.2.2", own_address()):
                status = await said(machine, f"nc -w 2 {address} {port} </dev/null; echo $?")
                assert status.splitlines()[-1] == "1"
            with pytest.raises(TimeoutError):
                listener.accept()

    async def test_it_runs_commands(self, machine: tuple[QemuRuntime, Run]) -> None:
        runtime, run = machine
        assert await runtime.execute(run, ["/bin/sh", "-c", 'test "$(hostname)" = web-1'], 10) == 0
        assert await runtime.execute(run, ["sh", "-c", "exit 3"], 10) == 3
        assert await problem_with(run, HealthCheck(kind="command", command=["false"]), runtime) == (
            "false exited with status 1"
        )
        with pytest.raises(RuntimeFault, match=r"the guest agent refuses: .*nothing-of-that-name"):
            await runtime.execute(run, ["/bin/nothing-of-that-name"], 10)

    async def test_it_ends_a_command_that_takes_too_long(self, machine: tuple[QemuRuntime, Run]) -> None:
        runtime, run = machine
        with pytest.raises(TimeoutError):
            await runtime.execute(run, ["sleep", "4242"], 1)

        async def gone() -> bool:
            return "4242" not in await said(machine, "ps | grep '[s]leep' || true")

        await until(gone, 10)

    async def test_it_runs_commands_at_once(self, machine: tuple[QemuRuntime, Run]) -> None:
        runtime, run = machine
        sleepers = [runtime.execute(run, ["sleep", "1"], 20) for _ in range(5)]
        began = time.monotonic()
        assert await asyncio.gather(*sleepers) == [0] * 5
        assert time.monotonic() - began < 4

    async def test_it_tells_what_a_command_wrote(self, machine: tuple[QemuRuntime, Run]) -> None:
        runtime, run = machine
        terminal = await runtime.terminal(run, "echo one; echo 'two \"2\"' >&2; exit 5", 80, 24)
        assert await output_of(terminal) == b'one\ntwo "2"\n'
        assert await terminal.wait() == 5
        await terminal.close()

    async def test_it_gives_its_console_to_one_at_a_time(self, machine: tuple[QemuRuntime, Run]) -> None:
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

    async def test_it_counts_the_time_of_its_processors(self, machine: tuple[QemuRuntime, Run]) -> None:
        runtime, run = machine
        before = (await runtime.usage(run)).cpu_ms
        assert before > 200, "it has booted"
        loop = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
        assert await runtime.execute(run, ["sh", "-c", loop], 60) == 0
        assert (await runtime.usage(run)).cpu_ms - before > 100

    @pytest.mark.needs("bwrap", "root")
    async def test_it_stands_behind_walls_of_its_own(self, machine: tuple[QemuRuntime, Run]) -> None:
        """Whoever broke out of the machine would be nobody, in a process that may not start another."""
        process = psutil.Process(int(machine[1].detail["payload_pid"]))
        assert process.uids().real != 0
        assert os.readlink(f"/proc/{process.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        assert process.name().startswith("qemu-system")
        seccomp = next(
            line
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if "Seccomp:" in line
        )
        assert seccomp.split()[1] == "2"
        words = " ".join(process.cmdline())
        assert "amber" not in words, "what the team set is on no command line"
        assert "amber" not in str(process.environ())


async def said(machine: tuple[QemuRuntime, Run], command: str) -> str:
    runtime, run = machine
    terminal = await runtime.terminal(run, command, 80, 24)
    try:
        return (await output_of(terminal)).decode()
    finally:
        await terminal.close()


async def output_of(terminal: Any) -> bytes:
    output = b""
    async with asyncio.timeout(60):
        while data := await terminal.read():
            output += data
    return output


async def read_until(terminal: Any, words: bytes) -> None:
    output = b""
    async with asyncio.timeout(20):
        while words not in output:
            output += await terminal.read()


def own_address() -> str:
    """Of this machine, for whoever is outside; its loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def test_it_presses_the_power_button(runtime: QemuRuntime) -> None:
    run = await booted(runtime, order())
    began = time.monotonic()
    await runtime.stop(run, 30)
    assert time.monotonic() - began < 25
    assert (await runtime.status(run)).reason.startswith("stopped")
    assert b"the program ended with status 143\n" in await runtime.logs(run, 30), "its program heard SIGTERM"
    assert (await runtime.usage(run)).cpu_ms > 200, "told also after its end"
    await runtime.remove(run)
    assert await runtime.adopt() == []


async def test_it_switches_off_what_does_not_hear_the_button(runtime: QemuRuntime) -> None:
    run = await booted(
        runtime,
        order(command=["sh", "-c", "trap '' TERM; mkdir /srv; echo up >/srv/index.html; httpd -f -h /srv"]),
    )
    began = time.monotonic()
    await runtime.stop(run, 1)
    assert time.monotonic() - began < 10
    assert not (await runtime.status(run)).alive


async def test_it_runs_the_teams_command_where_the_image_takes_one(runtime: QemuRuntime) -> None:
    run = await runtime.start(
        order(command=["sh", "-c", 'echo "it\'s $1, on $HIVE_REPLICA"; exit 7', "-", "mine; $HOME"])
    )

    async def ended() -> bool:
        return not (await runtime.status(run)).alive

    await until(ended)
    log = await runtime.logs(run, 60)
    assert b"it's mine; $HOME, on web-1\n" in log
    assert b"the program ended with status 7\n" in log
    assert (await runtime.status(run)).reason.startswith("exited with status 0")


async def test_it_finds_no_machine_healthy_that_does_not_listen(runtime: QemuRuntime) -> None:
    """QEMU takes up each connection at once, whatever the machine does."""
    run = await runtime.start(order(command=["sh", "-c", "echo it is up; sleep 600"]))
    await until(lambda: written(runtime, run, b"it is up\n"))
    problem = await problem_with(run, HealthCheck(kind="tcp", timeout_s=1), runtime)
    assert problem == "no answer to its health check within 1 s"
    await runtime.stop(run, 10)


async def test_it_ends_a_machine_whose_lease_ran_out_without_an_agent(runtime: QemuRuntime) -> None:
    run = await runtime.start(order(lease_s=1, stop_grace_s=1))

    async def reason() -> str:
        status = await runtime.status(run)
        return "" if status.alive else status.reason

    assert (await until(reason)).startswith("its lease ran out")


async def test_it_runs_machines_where_there_is_no_bubblewrap(
    runtime: QemuRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "_lack_of_walls", lambda: "bwrap is not installed")
    run = await booted(runtime, order())
    process = psutil.Process(int(run.detail["payload_pid"]))
    assert os.readlink(f"/proc/{process.pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    assert await runtime.execute(run, ["true"], 10) == 0
    await runtime.stop(run, 30)
    assert b"the program ended with status 143\n" in await runtime.logs(run, 30)


async def test_it_holds_a_machine_to_the_disk_that_is_rented(home: Path) -> None:
    put_machine(home, disk="disk.raw")
    with (home / "images/hive/machine/1/disk.raw").open("wb") as disk:
        disk.truncate(64 << 20)
    runtime = QemuRuntime(home, storage_bytes=16 << 20)
    run = await booted(runtime, order())
    zeros = "dd if=/dev/zero of=/dev/vda bs=1M conv=fsync count="
    assert await said((runtime, run), f"{zeros}4 2>/dev/null; echo $?") == "0\n"
    assert await said((runtime, run), f"{zeros}32 2>/dev/null; echo $?") == "1\n"
    assert (await runtime.status(run)).alive
    await runtime.stop(run, 30)


async def test_it_finds_its_machines_again(runtime: QemuRuntime, home: Path) -> None:
    run = await booted(runtime, order())
    successor = QemuRuntime(home)
    assert await successor.adopt() == [run]
    assert (await successor.status(run)).alive
    assert await successor.execute(run, ["true"], 10) == 0
    await successor.stop(run, 30)
    assert b"the program ended" in await successor.logs(run, 30)


async def test_it_pauses_a_machine_and_lets_it_go_on(runtime: QemuRuntime) -> None:
    run = await booted(runtime, order())
    await runtime.pause(run)
    assert (await runtime.status(run)).paused
    used = await runtime.usage(run)
    assert await page(run, timeout_s=1) == ""
    assert await runtime.usage(run) == used
    with pytest.raises(RuntimeFault, match="this machine is paused"):
        await runtime.execute(run, ["true"], 10)
    await runtime.resume(run)
    assert await until(lambda: page(run), 20) == "web-1\n"
    await runtime.stop(run, 30)


async def test_it_says_that_an_image_without_a_guest_agent_runs_no_commands(
    runtime: QemuRuntime, home: Path
) -> None:
    put_machine(home, "hive/mute:1", guest_agent=None, port=80)
    run = await booted(runtime, order(image="hive/mute:1", port=8080))
    for call in (runtime.execute(run, ["true"], 10), runtime.terminal(run, "true", 80, 24)):
        with pytest.raises(RuntimeFault, match="the image of this machine has no guest agent"):
            await call
    await runtime.stop(run, 30)


async def test_it_boots_a_disk_and_leaves_it_as_it_was(runtime: QemuRuntime, home: Path) -> None:
    folder = home / "images" / "hive" / "disk" / "1"
    folder.mkdir(parents=True)
    (folder / "image.json").write_text(json.dumps({"disk": "disk.raw"}))
    disk = boot_sector(b"it boots from its disk\n") + bytes(1 << 20)
    (folder / "disk.raw").write_bytes(disk)
    run = await runtime.start(order(image="hive/disk:1", port=None))
    await until(lambda: written(runtime, run, b"it boots from its disk\n"))
    await runtime.stop(run, 1)
    assert (folder / "disk.raw").read_bytes() == disk


async def written(runtime: QemuRuntime, run: Run, words: bytes) -> bool:
    status = await runtime.status(run)
    assert status.alive, status.reason
    return words in await runtime.logs(run, 100)


def boot_sector(words: bytes) -> bytes:
    """Overwrites itself on the disk, then writes `words` to the first serial port, and halts."""
    code = (
        b"\x31\xc0\x8e\xd8\x8e\xc0\xbb\x00\x7d"  # ds = es = 0; bx = 0x7d00
        b"\xb8\x01\x03\xb9\x01\x00\xb6\x00\xcd\x13"  # write one sector: the first, of the drive in dl
        b"\xfc\xbe\x00\x7d\xba\xf8\x03"  # si = 0x7d00, where the words are; dx = the port
        b"\xac\x84\xc0\x74\x03\xee\xeb\xf8"  # until a zero byte: out dx, al
        b"\xf4\xeb\xfd"  # hlt, for ever
    )
    return (code.ljust(0x100, b"\0") + words).ljust(510, b"\0") + b"\x55\xaa"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kernel": None, "initrd": None}, "its image.json names neither a kernel nor a disk"),
        ({"kernel": None, "disk": "vmlinuz"}, "its image.json names an initrd without a kernel"),
        ({"kernel": "bzImage"}, "its folder holds no file 'bzImage'"),
        ({"disk": "../../secret"}, "its image.json can't be used"),
        ({"speed": "fast"}, "its image.json can't be used"),
    ],
)
async def test_it_says_what_is_wrong_with_an_image(
    runtime: QemuRuntime, home: Path, fields: dict[str, Any], reason: str
) -> None:
    put_machine(home, "hive/bad:1", **fields)
    with pytest.raises(ImageMissing, match=reason):
        await runtime.prepare(order(image="hive/bad:1").assignment.workload)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"entrypoint": ["/bin/sh"]}, "its entrypoint can't be replaced"),
        ({"environment": {"A;B": "c"}}, "A;B can't be the name of a machine's variable"),
        ({"mem_gib": order().assignment.workload.mem_gib / 10}, "needs 64 MiB of memory, 10 are asked for"),
    ],
)
async def test_it_says_before_it_starts_what_it_will_not_run(
    runtime: QemuRuntime, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RuntimeFault, match=reason):
        await runtime.prepare(order(**fields).assignment.workload)


async def test_it_takes_no_command_unless_the_image_does(runtime: QemuRuntime, home: Path) -> None:
    put_machine(home, "hive/closed:1", takes_command=None)
    with pytest.raises(RuntimeFault, match="takes no command"):
        await runtime.prepare(order(image="hive/closed:1", command=["id"]).assignment.workload)


async def test_it_tells_a_kernel_that_cannot_boot(runtime: QemuRuntime, home: Path) -> None:
    put_machine(home, "hive/broken:1")
    (home / "images/hive/broken/1/vmlinuz").write_bytes(b"not a kernel" * 100)
    run = await runtime.start(order(image="hive/broken:1"))

    async def reason() -> str:
        status = await runtime.status(run)
        return "" if status.alive else status.reason

    assert "exited with status 1: qemu" in await until(reason, BOOT_S)


async def test_it_is_not_offered_where_no_machine_runs(
    runtime: QemuRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firmware that only halts: neither KVM nor emulation gets to the end of the probe."""
    monkeypatch.setattr(qemu, "probe_rom", lambda: b"\xf4" * (64 << 10))
    with pytest.raises(RuntimeFault, match="its self-test failed"):
        await runtime.self_test()


async def test_it_is_not_offered_without_qemu(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(RuntimeFault, match="qemu-system-x86_64 is not installed"):
        QemuRuntime(home)


async def test_a_bee_offers_and_runs_machines(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    """A whole agent: self-test, offer, agreement, assignment, health, usage, and the end."""
    put_machine(home)
    write_config(home, config_for(queen.url, "qemu"))
    async with running_bee():
        await queen.until(lambda: queen.offers, BOOT_S)
        terms = await queen.agree(image=IMAGE)
        assert terms.runtime == "qemu"
        given = assignment(terms, port=80, health=HTTP, stop_grace_s=10)
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"), BOOT_S)
        await queen.until(lambda: len(queen.usage.get(terms.agreement_id, ())) >= 2)
        await queen.want()
        await queen.until(lambda: queen.is_seen(given, "stopped"), BOOT_S)
        await queen.until(lambda: any(note.final for note in queen.notes))
    assert sum(each.cpu_ms for each in queen.usage[terms.agreement_id].values()) > 200, "it has booted"
