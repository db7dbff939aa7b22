"""Machine images and QEMU's command line: what is refused, and what stands where."""

from __future__ import annotations

import json
import shlex
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.runtimes import catalogue
from agent.runtimes.base import ImageMissing, RuntimeFault
from agent.runtimes.qemu import machine
from agent.runtimes.qemu.machine import MachineImage
from tests.agent.machines import order

LINUX = MachineImage(kernel="vmlinuz", initrd="initrd.img", guest_agent=True, takes_command=True)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({}, "its image.json names neither a kernel nor a disk"),
        ({"disk": "vmlinuz", "initrd": "initrd.img"}, "its image.json names an initrd without a kernel"),
        ({"kernel": "bzImage"}, "its folder holds no file 'bzImage'"),
        ({"kernel": "../../vmlinuz"}, "its image.json can't be used"),
        ({"disk": "disk,readonly=off.raw"}, "its image.json can't be used"),
        ({"kernel": "vmlinuz", "port": 70000}, "its image.json can't be used"),
        ({"kernel": "vmlinuz", "speed": "fast"}, "its image.json can't be used"),
    ],
)
def test_it_says_what_is_wrong_with_an_image(tmp_path: Path, image: dict[str, Any], reason: str) -> None:
    folder = tmp_path / "hive" / "bad" / "1"
    folder.mkdir(parents=True)
    for name in ("vmlinuz", "initrd.img"):
        (folder / name).touch()
    (folder / "image.json").write_text(json.dumps(image))
    with pytest.raises(ImageMissing, match=reason):
        machine.check("hive/bad:1", *catalogue.find(tmp_path, "hive/bad:1", MachineImage))


@pytest.mark.parametrize(
    ("image", "fields", "reason"),
    [
        (LINUX, {"entrypoint": ["/bin/sh"]}, "its entrypoint can't be replaced"),
        (LINUX, {"environment": {"A;B": "c", "D": "e"}}, "environment: A;B can't be the name of a machine's"),
        (LINUX, {"mem_gib": Decimal("0.01")}, "needs 64 MiB of memory, 10 are asked for"),
        (replace(LINUX, takes_command=False), {"command": ["id"]}, "is a machine and takes no command"),
    ],
)
def test_it_says_what_it_will_not_run(image: MachineImage, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RuntimeFault, match=reason):
        machine.check_workload(image, order(**fields).assignment.workload)


def test_it_tells_the_machine_what_a_shell_reads_again() -> None:
    command = ["serve", "it's; $HOME", ""]
    asked = order(command=command, environment={"COLOUR": "it's $(amber)\n", "PORT": "1"}, port=80)
    told = machine.told(replace(LINUX, port=8080, env={"COLOUR": "green", "LANG": "C"}), asked)
    assert shlex.split(told["command"]) == command
    script = "set -a; . /dev/stdin; exec env -0"
    output = subprocess.run(
        ["sh", "-c", script], input=told["environment"], capture_output=True, text=True
    ).stdout
    variables = dict(line.split("=", 1) for line in output.split("\0") if line)
    assert variables["COLOUR"] == "green", "the image's own stand above the team's"
    assert variables["PORT"] == "8080", "the port that the image always listens on"
    assert variables["HIVE_REPLICA"] == "web-1"


def test_a_variable_says_what_the_team_wrote() -> None:
    value = 'it\'s $(amber) `id` "x"\nand more'
    told = machine.told(LINUX, order(environment={"COLOUR": value}))
    script = '. /dev/stdin; printf %s "$COLOUR"'
    run = subprocess.run(["sh", "-c", script], input=told["environment"], capture_output=True, text=True)
    assert run.stdout == value


def words(image: MachineImage, *, listen: tuple[str, int] | None = None, **fields: Any) -> str:
    workload = order(**fields).assignment.workload
    return " ".join(
        machine.command_line(
            "qemu", "tcg", Path("/a,b"), image, workload, listen=listen, tells=["environment"]
        )
    )


def test_it_forwards_one_port_and_nothing_else() -> None:
    line = words(LINUX, listen=("127.0.0.1", 4000), port=80)
    assert "user,id=net,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:4000-:80 " in line
    assert "hostfwd" not in words(LINUX, port=None)
    assert "hostfwd=tcp::4000-:8080 " in words(replace(LINUX, port=8080), listen=("", 4000), port=80)


def test_it_gives_whole_processors_and_the_rented_memory() -> None:
    assert " -m 1536 -smp 3 " in words(LINUX, mem_gib=Decimal("1.5"), cpu_threads=Decimal("2.5"))


def test_it_opens_a_guest_agents_socket_only_where_there_is_one() -> None:
    assert machine.GUEST_AGENT in words(LINUX)
    assert machine.GUEST_AGENT not in words(replace(LINUX, guest_agent=False))


def test_it_writes_to_no_disk_of_the_catalogue() -> None:
    line = words(MachineImage(disk="disk.qcow2"))
    assert "file=/a,,b/disk.qcow2,format=qcow2,if=virtio,snapshot=on" in line
    assert "-kernel" not in line
    assert "file=/a,,b/disk.img,format=raw," in words(MachineImage(disk="disk.img"))
