"""Control groups: what is written where, for both versions of the kernel's interface."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.runtimes.guarded import cgroups
from tests.needs import need

MIB = 1 << 20


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return path


def own(tmp_path: Path, line: str) -> str:
    path = tmp_path / "self"
    path.write_text(f"12:devices:/elsewhere\n{line}\n")
    return str(path)


def test_it_takes_version_2_where_that_has_the_controllers(tmp_path: Path) -> None:
    root = folder(
        tmp_path / "cg", cgroup__controllers="cpuset cpu io memory pids\n", cgroup__subtree_control="cpu\n"
    )
    assert cgroups.places(str(root), own(tmp_path, "0::/user")) == {"unified": f"{root}/hive"}
    assert (root / "cgroup.subtree_control").read_text() == "+memory +pids", (
        "the one that is given on already stays"
    )
    assert (root / "hive" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_it_makes_groups_beside_its_own_where_systemd_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary user may not write the root; the group above the agent's own, with `DelegateSubgroup=`."""
    root = folder(tmp_path / "cg", cgroup__controllers="cpu memory pids", cgroup__subtree_control="")
    unit = folder(root / "user.slice/hive.service", cgroup__subtree_control="")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(f"{root}/cgroup"))
    found = cgroups.places(str(root), own(tmp_path, "0::/user.slice/hive.service/agent"))
    assert found == {"unified": str(unit)}
    assert (unit / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_it_takes_version_1_where_version_2_has_no_controllers(tmp_path: Path) -> None:
    for name in ("memory", "cpu", "cpuacct", "pids", "freezer"):
        folder(tmp_path / name)
    folder(tmp_path / "unified", cgroup__controllers="")
    found = cgroups.places(str(tmp_path))
    assert found["memory"] == f"{tmp_path}/memory/hive"
    assert set(found) == {"memory", "cpu", "cpuacct", "pids", "freezer"}


def test_it_says_which_controller_is_lacking(tmp_path: Path) -> None:
    for name in ("memory", "cpu", "cpuacct"):
        folder(tmp_path / name)
    with pytest.raises(OSError, match="no cgroup controller pids, freezer"):
        cgroups.places(str(tmp_path))


@pytest.mark.parametrize(
    ("places", "written"),
    [
        (
            {"unified": ""},
            {
                "memory.max": str(100 * MIB),
                "cpu.max": "150000 100000",
                "pids.max": "512",
                "memory.swap.max": "0",
            },
        ),
        (
            {"memory": "", "cpu": "", "pids": ""},
            {
                "memory.limit_in_bytes": str(100 * MIB),
                "memory.memsw.limit_in_bytes": str(100 * MIB),
                "cpu.cfs_quota_us": "150000",
                "pids.max": "512",
            },
        ),
    ],
)
def test_it_writes_what_is_rented(places: dict[str, str], written: dict[str, str]) -> None:
    limits = {file: value for _, file, value in cgroups.limits(places, 100 * MIB, 1.5, 512)}
    assert written.items() <= limits.items()


def test_it_reads_version_2(tmp_path: Path) -> None:
    group = folder(
        tmp_path / "a",
        cpu__stat="usage_usec 1234567\nuser_usec 5\nsystem_usec 7\n",
        memory__events="low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n",
        cgroup__procs="7\n8\n",
        cgroup__events="populated 1\nfrozen 1\n",
    )
    found = {"unified": str(group)}
    assert cgroups.cpu_ms(found) == 1234
    assert cgroups.oom_kills(found) == 1
    assert cgroups.processes(found) == [7, 8]
    assert cgroups.freeze(found)
    assert (group / "cgroup.freeze").read_text() == "1"


def test_without_groups_it_tells_nothing_and_does_nothing() -> None:
    assert (cgroups.cpu_ms({}), cgroups.oom_kills({}), cgroups.processes({})) == (None, 0, [])
    assert not cgroups.freeze({})
    cgroups.join({})
    cgroups.remove({})


def _unified() -> str:
    """Where version 2 is mounted; beside version 1 it counts and freezes, too, and only limits nothing."""
    found = (
        each for each in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if Path(each, "cgroup.procs").exists()
    )
    return next(found, "")


@pytest.fixture(params=["as replicas get", "version 2"])
def group(request: pytest.FixtureRequest) -> Iterator[cgroups.Group]:
    need("cgroups", "root")
    places, limits = cgroups.places(), cgroups.limits(cgroups.places(), 64 * MIB, 0.5, 20)
    if request.param == "version 2":
        places, limits = {"unified": _unified()}, []
        if not places["unified"]:
            pytest.skip("version 2 is not mounted")
    made = cgroups.create(places, f"hive-test-{uuid.uuid4().hex}", limits)
    yield made
    cgroups.remove(made)


def busy_in(group: cgroups.Group) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sh", "-c", "while true; do :; done"], preexec_fn=lambda: cgroups.join(group))


@pytest.mark.real
def test_a_real_group_counts_freezes_thaws_and_is_taken_away(group: cgroups.Group) -> None:
    process = busy_in(group)
    while (cgroups.cpu_ms(group) or 0) < 50:
        time.sleep(0.01)
    assert cgroups.processes(group) == [process.pid]
    assert cgroups.freeze(group)
    frozen_at = cgroups.cpu_ms(group)
    time.sleep(0.2)
    assert cgroups.cpu_ms(group) == frozen_at
    assert cgroups.thaw(group)
    while cgroups.cpu_ms(group) == frozen_at:
        time.sleep(0.01)
    cgroups.remove(group)
    assert process.wait(timeout=5) == -9
    assert not any(Path(folder).exists() for folder in group.values())


@pytest.mark.real
def test_a_frozen_group_is_taken_away_too(group: cgroups.Group) -> None:
    process = busy_in(group)
    while not cgroups.processes(group):
        time.sleep(0.01)
    assert cgroups.freeze(group)
    cgroups.remove(group)
    assert process.wait(timeout=5) == -9
    assert not any(Path(folder).exists() for folder in group.values())
