"""Control groups of replicas: what the kernel itself holds them to and counts, ended processes included.

Both versions of Linux's interface (Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst). A `Group` maps a
controller to the folder of one replica; version 2 has one folder for all, under the name `unified`. Without
groups (`{}`) every function does or tells nothing. Standard library only: the guard uses it too.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

Group = dict[str, str]

_ROOT = "/sys/fs/cgroup"
_OURS = "hive"
_V1 = ("memory", "cpu", "cpuacct", "pids", "freezer")
_V2 = ("memory", "cpu", "pids")
_PERIOD_US = 100_000
_PATIENCE_S = 2.0
_STEP_S = 0.002


# -- making and removing (the agent) ------------------------------------------------------------------------


def places(root: str = _ROOT, own: str = "/proc/self/cgroup") -> Group:
    """The folders in which replicas' groups can be made. Raises OSError where there are none."""
    for unified in (root, os.path.join(root, "unified")):
        if set(_V2) <= set(_read(unified, "cgroup.controllers").split()):
            return {"unified": _v2_place(unified, own)}
    found = {name: os.path.join(root, name, _OURS) for name in _V1}
    if lacking := [name for name in _V1 if not os.path.isdir(os.path.join(root, name))]:
        raise OSError(f"there is no cgroup controller {', '.join(lacking)}")
    for folder in found.values():
        _make_place(folder)
    return found


def _v2_place(root: str, own: str) -> str:
    """Root makes a group beside the system's; others only where systemd let them (`DelegateSubgroup=`).

    Controllers can be given on only by a group without processes of its own, so the agent's own is none.
    """
    if os.access(os.path.join(root, "cgroup.subtree_control"), os.W_OK):
        _give_on(root)
        place = os.path.join(root, _OURS)
        _make_place(place)
    else:
        place = os.path.dirname(root + _own_path(own))
    _give_on(place)
    return place


def _make_place(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    if not os.access(folder, os.W_OK):  # root has made it, for an agent of its own
        raise PermissionError(f"{folder} belongs to another user")


def _own_path(own: str) -> str:
    with open(own) as file:
        return next((line.strip()[3:] for line in file if line.startswith("0::")), "/")


def _give_on(folder: str) -> None:
    if lacking := set(_V2) - set(_read(folder, "cgroup.subtree_control").split()):
        _write(folder, "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(lacking)))


def create(places: Group, name: str, limits: list[tuple[str, str, str]]) -> Group:
    """A fresh group; what was left of an earlier one of that name is ended. Raises OSError."""
    group = of(places, name)
    remove(group)
    for folder in set(group.values()):
        os.mkdir(folder)
    for controller, file, value in limits:
        if os.path.exists(os.path.join(group[controller], file)):  # swap isn't accounted for on every kernel
            _write(group[controller], file, value)
    return group


def of(places: Group, name: str) -> Group:
    return {controller: os.path.join(folder, name) for controller, folder in places.items()}


def limits(places: Group, mem_bytes: int, threads: float, processes: int) -> list[tuple[str, str, str]]:
    """(controller, file, what to write): memory with no swap beside it, CPU time per period, processes."""
    quota_us = max(1000, int(threads * _PERIOD_US))
    if "unified" in places:
        return [
            ("unified", "memory.max", str(mem_bytes)),
            ("unified", "memory.swap.max", "0"),
            ("unified", "memory.oom.group", "1"),
            ("unified", "cpu.max", f"{quota_us} {_PERIOD_US}"),
            ("unified", "pids.max", str(processes)),
        ]
    return [
        ("memory", "memory.limit_in_bytes", str(mem_bytes)),
        ("memory", "memory.memsw.limit_in_bytes", str(mem_bytes)),
        ("cpu", "cpu.cfs_period_us", str(_PERIOD_US)),
        ("cpu", "cpu.cfs_quota_us", str(quota_us)),
        ("pids", "pids.max", str(processes)),
    ]


def remove(group: Group) -> None:
    """End what is in it, and take its folders away."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while (left := processes(group)) and time.monotonic() < give_up_at:
        kill(group, left)
        time.sleep(_STEP_S)
    for folder in set(group.values()):
        with suppress(OSError):
            os.rmdir(folder)


# -- using (the guard, too) ---------------------------------------------------------------------------------


def join(group: Group) -> None:
    """Move the process that calls this. Raises OSError."""
    for folder in set(group.values()):
        _write(folder, "cgroup.procs", "0")


def processes(group: Group) -> list[int]:
    return [int(word) for word in _read(group.get("unified") or group.get("pids"), "cgroup.procs").split()]


def cpu_ms(group: Group) -> int | None:
    """CPU time of everything that ever was in it; None where nobody counted."""
    if nanoseconds := _read(group.get("cpuacct"), "cpuacct.usage"):
        return int(nanoseconds) // 1_000_000
    microseconds = _field(_read(group.get("unified"), "cpu.stat"), "usage_usec")
    return None if microseconds is None else microseconds // 1000


def oom_kills(group: Group) -> int:
    """How many processes the kernel has killed because the group's memory was used up."""
    said = _read(group.get("memory"), "memory.oom_control") or _read(group.get("unified"), "memory.events")
    return _field(said, "oom_kill") or 0


def freeze(group: Group) -> bool:
    """Whether all of it stands still now."""
    return _set_frozen(group, "FROZEN", "1")


def thaw(group: Group) -> bool:
    return _set_frozen(group, "THAWED", "0")


def _set_frozen(group: Group, v1: str, v2: str) -> bool:
    if not group:
        return False
    give_up_at = time.monotonic() + _PATIENCE_S
    with suppress(OSError):
        if "unified" in group:
            _write(group["unified"], "cgroup.freeze", v2)
        else:
            _write(group["freezer"], "freezer.state", v1)
        while time.monotonic() < give_up_at:
            if _read(group.get("freezer"), "freezer.state").strip() == v1:
                return True
            if str(_field(_read(group.get("unified"), "cgroup.events"), "frozen")) == v2:
                return True
            time.sleep(_STEP_S)
    return False


def kill(group: Group, pids: list[int]) -> None:
    """SIGKILL to these of its processes, from now on without children; a frozen one dies when it thaws."""
    with suppress(OSError, KeyError):
        _write(group.get("unified") or group["pids"], "pids.max", "0")
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    thaw(group)


def _field(text: str, name: str) -> int | None:
    words = text.split()
    return int(words[words.index(name) + 1]) if name in words else None


def _read(folder: str | None, file: str) -> str:
    with suppress(OSError):
        if folder is not None:
            with open(os.path.join(folder, file)) as opened:
                return opened.read()
    return ""


def _write(folder: str, file: str, value: str) -> None:
    with open(os.path.join(folder, file), "w") as opened:
        opened.write(value)
