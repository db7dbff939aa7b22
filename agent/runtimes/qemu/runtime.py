"""The qemu runtime: virtual machines from the owner's catalogue, under KVM where it works, else emulated.

QEMU is a payload under a guard like any other: behind walls, with a user, limits and a control group of its
own; so a guest that broke out of the machine would stand before those. What only this runtime has: a serial
console, commands through the guest agent of the image, and a power button instead of SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import subprocess
from functools import partial
from pathlib import Path
from socket import socket

from agent.protocol import Workload
from agent.runtimes import catalogue
from agent.runtimes.base import Order, Run, RuntimeFault, Terminal
from agent.runtimes.guarded import work_folder
from agent.runtimes.guarded.own_socket import connected
from agent.runtimes.guarded.runtime import DEFAULT_STORAGE_BYTES, Guarded, Payload
from agent.runtimes.guarded.trial import try_out
from agent.runtimes.guarded.work_folder import folder_of
from agent.runtimes.qemu import machine
from agent.runtimes.qemu.guest_agent import CommandTerminal, GuestAgent
from agent.runtimes.qemu.monitor import has_answered
from agent.runtimes.qemu.probe_rom import probe_rom
from agent.runtimes.qemu.serial_console import SerialConsole

log = logging.getLogger("hive.agent")

_KVM = "/dev/kvm"
_OVERHEAD_BYTES = {"kvm": 128 << 20, "tcg": 192 << 20}
"""QEMU itself; emulating, with 64 MiB for translated code. Measured: its control group held 103 MiB more than
the memory of a machine that had used all of its 102 MiB, 68 MiB more than that of one with 1 GiB."""
_SHOWN_LINES = 20


class QemuRuntime(Guarded):
    name = "qemu"

    def __init__(self, home: Path, *, storage_bytes: int = DEFAULT_STORAGE_BYTES) -> None:
        super().__init__(home, storage_bytes=storage_bytes)
        self._home = home
        self._images.mkdir(parents=True, exist_ok=True)
        self._program, self.version = _find_program()
        self._accelerator = "tcg"
        self._agents: dict[str, GuestAgent] = {}
        self._consoles: set[str] = set()
        """Runs whose console somebody of this agent has: it is one line, for one at a time."""

    async def self_test(self) -> None:
        """Run a firmware, under KVM if that works, else emulated. Raises RuntimeFault."""
        rom = self._work.parent / "probe.rom"
        rom.write_bytes(probe_rom())
        rom.chmod(0o644)
        try:
            await self._try("kvm", rom)
        except RuntimeFault as fault:
            log.info("virtual machines are emulated, which is slow: KVM does not work here (%s)", fault)
            await self._try("tcg", rom)

    async def _try(self, accelerator: str, rom: Path) -> None:
        if accelerator == "kvm" and not os.access(_KVM, os.R_OK | os.W_OK):
            raise RuntimeFault(f"{_KVM} can't be opened")
        payload = Payload(
            command=machine.probe(self._program, accelerator, rom),
            env={},
            reads=[rom],
            devices=_devices(accelerator),
            overhead_bytes=_OVERHEAD_BYTES[accelerator],
        )
        await try_out(self._home, payload)
        self._accelerator = accelerator

    async def prepare(self, workload: Workload) -> None:
        _, image = self._find(workload)
        machine.check_workload(image, workload)

    def payload(self, order: Order, folder: Path, port: int | None) -> Payload:
        workload = order.assignment.workload
        image_folder, image = self._find(workload)
        machine.check_workload(image, workload)
        tells = machine.told(image, order)
        for name, content in tells.items():
            path = folder / "files" / name
            path.write_text(content)
            path.chmod(0o644)
        local = order.advertise in ("127.0.0.1", "localhost")
        return Payload(
            command=machine.command_line(
                self._program,
                self._accelerator,
                image_folder,
                image,
                workload,
                listen=("127.0.0.1" if local else "", port) if port else None,
                tells=list(tells),
            ),
            env={},
            reads=[image_folder, *(image_folder / name for name in image.files)],
            devices=_devices(self._accelerator),
            overhead_bytes=_OVERHEAD_BYTES[self._accelerator],
            power_button=machine.POWER_BUTTON,
        )

    def _find(self, workload: Workload) -> tuple[Path, machine.MachineImage]:
        folder, image = catalogue.find(self._images, workload.image, machine.MachineImage)
        machine.check(workload.image, folder, image)
        return folder, image

    def confines_console(self, run: Run) -> bool:
        """The console is the machine's own: nothing of the host is there."""
        return True

    async def logs(self, run: Run, tail: int) -> bytes:
        """A serial line ends its lines with a carriage return, too."""
        return (await super().logs(run, tail)).replace(b"\r\n", b"\n")

    async def logs_after(self, run: Run, mark: str, tail: int) -> tuple[bytes, str]:
        said, mark = await super().logs_after(run, mark, tail)
        return said.replace(b"\r\n", b"\n"), mark

    async def remove(self, run: Run) -> None:
        self._agents.pop(run.run_id, None)
        await super().remove(run)

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        async with asyncio.timeout(timeout_s):
            return (await (await self._agent(run)).run(command)).status

    async def has_answered(self, run: Run) -> bool:
        try:
            line = _connect(run, machine.MONITOR)
        except OSError as error:
            raise RuntimeFault(f"this machine's monitor can't be reached: {error.strerror}") from None
        return await has_answered(line, int(run.endpoint.rpartition(":")[2]))

    async def terminal(self, run: Run, command: str | None, columns: int, rows: int) -> Terminal:
        """The serial console; a `command` through the guest agent, which gives it no terminal."""
        if command is not None:
            return CommandTerminal(await self._agent(run), command)
        return await self._console(run)

    async def _agent(self, run: Run) -> GuestAgent:
        if (await self.status(run)).paused:
            raise RuntimeFault("this machine is paused")
        spec = work_folder.read_spec(folder_of(run))
        if machine.GUEST_AGENT not in " ".join(spec.get("command", [])):
            raise RuntimeFault("the image of this machine has no guest agent: no command can be run in it")
        return self._agents.setdefault(run.run_id, GuestAgent(partial(_connect, run, machine.GUEST_AGENT)))

    async def _console(self, run: Run) -> Terminal:
        if run.run_id in self._consoles:
            raise RuntimeFault("somebody else has this machine's console: it is one line")
        try:
            line = _connect(run, machine.CONSOLE)
        except OSError as error:
            raise RuntimeFault(f"this machine's console can't be reached: {error.strerror}") from None
        self._consoles.add(run.run_id)
        shown = await super().logs(run, _SHOWN_LINES)
        return SerialConsole(line, shown, let_go=partial(self._consoles.discard, run.run_id))


def _connect(run: Run, name: str) -> socket:
    folder = folder_of(run)
    uid = work_folder.read_spec(folder).get("uid")
    return connected(str(folder / "files" / name), os.geteuid() if uid is None else uid)


def _devices(accelerator: str) -> list[str]:
    return [_KVM] if accelerator == "kvm" else []


def _find_program() -> tuple[str, str]:
    """(path, version). Raises RuntimeFault."""
    if platform.machine() != "x86_64":
        raise RuntimeFault(f"machines are x86_64, this one is {platform.machine()}")
    program = shutil.which(machine.PROGRAM)
    if not program:
        raise RuntimeFault(f"{machine.PROGRAM} is not installed")
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeFault(f"{program} does not start: {error}") from None
    return program, said.partition("version ")[2].split()[0] if "version " in said else "unknown"
