"""What some tests need of the machine.

A test says `@pytest.mark.needs("docker")`; a fixture calls `need("docker")`. On a machine that lacks it the
test is skipped, named in the summary; with its name in `HIVE_REQUIRE` (comma-separated) it fails instead.
"""

import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

needs_docker = pytest.mark.needs("docker")
needs_browser = pytest.mark.needs("browser")
needs_chain = pytest.mark.needs("chain")
needs_root = pytest.mark.needs("root")
needs_namespaces = pytest.mark.needs("namespaces")
needs_bwrap = pytest.mark.needs("bwrap")
needs_cgroups = pytest.mark.needs("cgroups")
needs_btrfs = pytest.mark.needs("btrfs")
needs_registry = pytest.mark.needs("registry")
needs_qemu = pytest.mark.needs("qemu")
needs_wasmtime = pytest.mark.needs("wasmtime")


def _docker() -> str:
    import docker

    try:
        client = docker.from_env(timeout=5)
        client.ping()
    except (docker.errors.DockerException, OSError):
        return "no Docker engine answers"
    client.close()
    return ""


def _browser() -> str:
    return "" if browser_path() else "no Chromium on PATH"


def _chain() -> str:
    from hive_portal.stack import StackError, chain

    try:
        chain._program()
    except StackError as error:
        return str(error)
    return ""


def _root() -> str:
    return "" if os.geteuid() == 0 else "not run as root"


def _namespaces() -> str:
    made = (
        shutil.which("unshare")
        and subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0
    )
    return "" if made else "no right to make network namespaces"


def _bwrap() -> str:
    from agent.runtimes.guarded import bubblewrap

    return bubblewrap.problem()


def _cgroups() -> str:
    from agent.runtimes.guarded import cgroups

    try:
        cgroups.places()
    except OSError as error:
        return str(error)
    return ""


def _qemu() -> str:
    return "" if shutil.which("qemu-system-x86_64") else "no qemu-system-x86_64 on PATH"


def _btrfs() -> str:
    """A file system on which the engine can limit a container; made in a file."""
    if not shutil.which("mkfs.btrfs") or not Path("/dev/loop-control").exists():
        return "no mkfs.btrfs on PATH, or no loop devices"
    return "" if "btrfs" in Path("/proc/filesystems").read_text() else "the kernel has no btrfs"


def _registry() -> str:
    return "" if shutil.which("docker-registry") else "no docker-registry on PATH"


def _systemd() -> str:
    lacking = [name for name in ("systemctl", "systemd-analyze") if not shutil.which(name)]
    return f"no {lacking[0]} on PATH" if lacking else ""


def _wasmtime() -> str:
    return "" if find_spec("wasmtime") else "the package wasmtime is not installed"


CHECKS = {
    "browser": _browser,
    "btrfs": _btrfs,
    "bwrap": _bwrap,
    "cgroups": _cgroups,
    "chain": _chain,
    "docker": _docker,
    "namespaces": _namespaces,
    "qemu": _qemu,
    "registry": _registry,
    "root": _root,
    "systemd": _systemd,
    "wasmtime": _wasmtime,
}


def browser_path() -> Path | None:
    """The Chromium that playwright should run."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return Path(found) if found else None


@cache
def lack(name: str) -> str:
    """Why this machine can't run a test that needs it; empty when it can."""
    return CHECKS[name]()


def need(*names: str) -> None:
    """Skip the test that is running, or fail it where `HIVE_REQUIRE` names what is lacking."""
    required = {name.strip() for name in os.environ.get("HIVE_REQUIRE", "").split(",")}
    for name in names:
        if reason := lack(name):
            if name in required:
                pytest.fail(f"HIVE_REQUIRE names {name}, but {reason}", pytrace=False)
            pytest.skip(f"needs {name}: {reason}")
