"""The life of real machines: Debian's kernel, busybox and the guest agent, under QEMU."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.config import write_config
from agent.health import problem_with
from agent.protocol import HealthCheck
from agent.runtimes.base import RuntimeFault
from agent.runtimes.guarded import runtime as guarded
from agent.runtimes.qemu import runtime as qemu
from agent.runtimes.qemu.runtime import QemuRuntime
from tests.agent.conftest import config_for
from tests.agent.machines import BOOT_S, HTTP, IMAGE, booted, order, page, put_machine, said, until, written
from tests.agent.queen_double import QueenDouble, assignment

pytestmark = [pytest.mark.real, pytest.mark.needs("qemu"), pytest.mark.timeout(300)]


@pytest.fixture
def runtime(home: Path) -> QemuRuntime:
    put_machine(home)
    return QemuRuntime(home)


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
