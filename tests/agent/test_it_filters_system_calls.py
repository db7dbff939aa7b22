"""System calls that a native replica is refused, with the real kernel's filter."""

from __future__ import annotations

import errno
import json
import platform
import struct
from pathlib import Path

import pytest

from agent.runtimes.guarded import seccomp
from agent.runtimes.process import ProcessRuntime
from tests.agent.conftest import put_image
from tests.agent.natives import order, until, without_walls

pytestmark = pytest.mark.real

TRY = """
import ctypes, errno, json, os, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def tries(*arguments):
    return errno.errorcode.get(ctypes.get_errno()) if libc.syscall(*arguments) < 0 else "done"
NEWUSER, NEWNS = 0x10000000, 0x20000
thread = threading.Thread(target=lambda: None)
thread.start(); thread.join()
print(json.dumps({
    "unshare a user namespace": tries(UNSHARE, NEWUSER),
    "unshare mounts": tries(UNSHARE, NEWNS),
    "clone a user namespace": tries(CLONE, NEWUSER | 17, 0, 0, 0, 0),
    "clone3": tries(435, 0, 0),
    "io_uring": tries(425, 1, 0),
    "keyctl": tries(KEYCTL, 0, -3, 0),
    "userfaultfd": tries(USERFAULTFD, 1),
    "a process": subprocess.run(["/bin/true"]).returncode,
}), flush=True)
time.sleep(600)
"""
NUMBERS = {
    "x86_64": {"UNSHARE": 272, "CLONE": 56, "KEYCTL": 250, "USERFAULTFD": 323},
    "aarch64": {"UNSHARE": 97, "CLONE": 220, "KEYCTL": 219, "USERFAULTFD": 282},
}
SEEN = {
    "unshare a user namespace": "EPERM",
    "unshare mounts": "EPERM",
    "clone a user namespace": "EPERM",
    "clone3": "ENOSYS",
    "io_uring": "ENOSYS",
    "keyctl": "EPERM",
    "userfaultfd": "EPERM",
    "a process": 0,
}


@pytest.fixture(params=["walls", "no walls"])
def runtime(home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ProcessRuntime:
    if platform.machine() not in NUMBERS or not Path(seccomp._AVAILABLE).exists():
        pytest.skip("no filter is made for this machine")
    if request.param == "no walls":
        without_walls(monkeypatch)
    head = "".join(f"{name} = {number}\n" for name, number in NUMBERS[platform.machine()].items())
    put_image(home, "test/try:1", head + TRY)
    return ProcessRuntime(home)


async def test_it_makes_no_namespaces_and_reaches_no_key_rings(runtime: ProcessRuntime) -> None:
    run = await runtime.start(order("try"))
    assert json.loads(await until(lambda: runtime.logs(run, 1))) == SEEN
    await runtime.stop(run, 0)


async def test_neither_does_a_command_that_goes_inside(runtime: ProcessRuntime, home: Path) -> None:
    run = await runtime.start(order("try"))
    assert await runtime.execute(run, ["/bin/sh", "-c", "unshare --user true"], 5) != 0
    assert await runtime.execute(run, ["/bin/grep", "-q", "Seccomp:.2", "/proc/self/status"], 5) == 0
    await runtime.stop(run, 0)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_way_through_the_filter_ends(machine: str) -> None:
    """Runs the program as the kernel does, for each number, of this architecture and of others."""
    steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    architecture = seccomp._ARCHITECTURES[machine]
    verdicts = {number: _verdict(steps, number, architecture, 0) for number in range(500)}
    refused = {numbers[machine] for numbers in seccomp._REFUSED.values()}
    assert {number for number, verdict in verdicts.items() if verdict == errno.EPERM} == refused
    assert {n for n, verdict in verdicts.items() if verdict == errno.ENOSYS} == set(seccomp._ABSENT.values())
    for number in seccomp._MAKE_NAMESPACES[machine]:
        assert _verdict(steps, number, architecture, 0x1000_0011) == errno.EPERM
        assert _verdict(steps, number, architecture, 0x11) == 0
    assert _verdict(steps, 1, 0x4000_0003, 0) == errno.ENOSYS, "a 32-bit call"
    assert _verdict(steps, 0x4000_0001, architecture, 0) == errno.ENOSYS, "an x32 call"


def _verdict(steps: list[tuple[int, ...]], number: int, architecture: int, argument: int) -> int:
    """0 when it is allowed, else the error it gets."""
    data, held, at = {0: number, 4: architecture, 16: argument}, 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            held = data[value]
        elif code == 0x06:
            return 0 if value == 0x7FFF_0000 else value & 0xFFFF
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += if_true if holds else if_false


def test_it_makes_none_for_a_machine_it_does_not_know() -> None:
    assert seccomp.program("riscv64") == b""
    seccomp.apply(b"")
