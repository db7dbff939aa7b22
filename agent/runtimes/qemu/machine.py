"""Machine images, and the command line of QEMU for one of them. Plain functions.

An image of the qemu runtime is a folder of the owner's catalogue with what boots and its `image.json`:

    {
      "kernel": "vmlinuz",
      "initrd": "initrd.img",
      "append": "quiet",
      "disk": "disk.qcow2",
      "port": 8080,
      "env": {"LANG": "C.UTF-8"},
      "takes_command": true,
      "guest_agent": true
    }

A `kernel` or a `disk` is needed. The disk (`.qcow2`, else raw) is only read: what a machine writes lies in a
file that ends with it. `port` is for a machine that always listens on the same one; without it the workload's
port is forwarded, which the machine finds in its variable PORT.

Variables and command reach the machine through QEMU's fw_cfg device, in Linux (module `qemu_fw_cfg`) the
files /sys/firmware/qemu_fw_cfg/by_name/opt/hive/{environment,command}/raw: lines `NAME='value'` to be read by
a shell's `.`, and the words of the command quoted the same way. Nothing of them is on a command line.

See https://www.qemu.org/docs/master/system/invocation.html
"""

from __future__ import annotations

import math
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec

from agent.protocol import Workload
from agent.runtimes.base import ImageMissing, Order, RuntimeFault

CONSOLE, GUEST_AGENT, MONITOR, POWER_BUTTON = "console", "guest-agent", "monitor", "power-button"
"""Sockets of a machine, in its folder `files`."""
PROGRAM = "qemu-system-x86_64"
LEAST_MIB = 64

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What lets a guest that broke out of the machine do nothing new; see "-sandbox" in QEMU's manual.
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_BARE = ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-sandbox", _SANDBOX)
_ACCELERATED = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    "tcg": ("-accel", "tcg,tb-size=64", "-cpu", "max"),
}
# QEMU can't open the log by name behind walls, but by a descriptor, which must be above 2. What a machine
# writes to its disk is to lie in the replica's folder; QEMU takes a TMPDIR of /tmp for none.
_WITH_LOG = ("/bin/sh", "-c", 'TMPDIR="$PWD" exec "$0" "$@" 3>&1')
_LOG = "/dev/fdset/1"

FileName = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]*)?$")]


class MachineImage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kernel: FileName = ""
    initrd: FileName = ""
    append: str = ""
    disk: FileName = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    env: dict[str, str] = {}
    takes_command: bool = False
    guest_agent: bool = False

    @property
    def files(self) -> list[str]:
        return [name for name in (self.kernel, self.initrd, self.disk) if name]


def check(reference: str, folder: Path, image: MachineImage) -> None:
    """Raises ImageMissing when it can't boot, whatever the workload."""
    if not image.kernel and not image.disk:
        raise ImageMissing(f"image {reference}: its image.json names neither a kernel nor a disk")
    if image.initrd and not image.kernel:
        raise ImageMissing(f"image {reference}: its image.json names an initrd without a kernel")
    for name in image.files:
        if not (folder / name).is_file():
            raise ImageMissing(f"image {reference}: its folder holds no file {name!r}")


def check_workload(image: MachineImage, workload: Workload) -> None:
    """Raises RuntimeFault when the workload asks for what this image does not allow."""
    if workload.entrypoint:
        raise RuntimeFault(f"image {workload.image} is a machine: its entrypoint can't be replaced")
    if workload.command and not image.takes_command:
        raise RuntimeFault(f"image {workload.image} is a machine and takes no command")
    if wrong := sorted(name for name in workload.environment if not _VARIABLE.fullmatch(name)):
        raise RuntimeFault(f"environment: {', '.join(wrong)} can't be the name of a machine's variable")
    if _mib(workload.mem_gib) < LEAST_MIB:
        raise RuntimeFault(
            f"a machine needs {LEAST_MIB} MiB of memory, {_mib(workload.mem_gib)} are asked for"
        )


def told(image: MachineImage, order: Order) -> dict[str, str]:
    """Name and content of what the machine is told through fw_cfg."""
    workload = order.assignment.workload
    port = image.port or workload.port
    own = {
        "HIVE_REPLICA": order.assignment.replica,
        "HIVE_NODE": order.node_id,
        "HIVE_GENERATION": str(order.assignment.generation),
    } | ({"PORT": str(port)} if port else {})
    variables = {**workload.environment, **image.env, **own}
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    return {"environment": lines} | ({"command": shlex.join(workload.command)} if workload.command else {})


def command_line(
    program: str,
    accelerator: str,
    folder: Path,
    image: MachineImage,
    workload: Workload,
    *,
    listen: tuple[str, int] | None,
    tells: list[str],
) -> list[str]:
    """QEMU's, run in the replica's folder `files`, where its sockets and what it `tells` the machine lie.

    The machine's first serial port is the log, and the console of whoever is connected to it.
    """
    return [
        *(*_WITH_LOG, program, *_ACCELERATED[accelerator], "-M", "q35", *_BARE),
        *("-m", str(_mib(workload.mem_gib)), "-smp", str(max(1, math.ceil(workload.cpu_threads)))),
        *("-add-fd", "fd=3,set=1", "-serial", f"chardev:{CONSOLE}"),
        *("-chardev", f"{_socket(CONSOLE)},logfile={_LOG},logappend=on"),
        # Two, for each serves one at a time: the agent asks by one, the guard presses by the other.
        *(word for name in (MONITOR, POWER_BUTTON) for word in ("-qmp", f"unix:{name},server=on,wait=off")),
        *("-device", "virtio-rng-pci"),
        *(_guest_agent() if image.guest_agent else ()),
        *_network(listen, image.port or workload.port),
        *(word for name in tells for word in ("-fw_cfg", f"name=opt/hive/{name},file={name}")),
        *_boot(folder, image),
    ]


def probe(program: str, accelerator: str, rom: Path) -> list[str]:
    """Ends with status 0 if, within three seconds, the code of `probe_rom` has run."""
    machine = [program, *_ACCELERATED[accelerator], "-M", "q35", *_BARE, "-m", "16", "-bios", str(rom)]
    device = ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
    return ["/bin/sh", "-c", 'timeout 3 "$0" "$@"; test $? -eq 33', *machine, *device]


def _socket(name: str) -> str:
    return f"socket,id={name},path={name},server=on,wait=off"


def _guest_agent() -> list[str]:
    port = f"virtserialport,chardev={GUEST_AGENT},name=org.qemu.guest_agent.0"
    return ["-chardev", _socket(GUEST_AGENT), "-device", "virtio-serial-pci", "-device", port]


def _network(listen: tuple[str, int] | None, guest_port: int | None) -> list[str]:
    """A network with nobody on it but the machine: `restrict` cuts off the host and all beyond it."""
    forward = f",hostfwd=tcp:{listen[0]}:{listen[1]}-:{guest_port}" if listen else ""
    return [
        *("-netdev", f"user,id=net,ipv6=off,restrict=on{forward}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]


def _boot(folder: Path, image: MachineImage) -> list[str]:
    words = []
    if image.kernel:
        append = f"console=ttyS0 panic=-1 {image.append}".strip()
        words += ["-kernel", str(folder / image.kernel), "-append", append]
    if image.initrd:
        words += ["-initrd", str(folder / image.initrd)]
    if image.disk:
        file = str(folder / image.disk).replace(",", ",,")  # as QEMU wants a comma in a value
        kind = "qcow2" if image.disk.endswith(".qcow2") else "raw"
        words += ["-drive", f"file={file},format={kind},if=virtio,snapshot=on"]
    return words


def _mib(gib: Decimal) -> int:
    return int(gib * 1024)
