"""What some tests need of the machine.

A test says `@pytest.mark.needs("docker")`; a fixture calls `need("docker")`. On a machine that lacks it the
test is skipped, named in the summary; with its name in `HIVE_REQUIRE` (comma-separated) it fails instead.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

needs_docker = pytest.mark.needs("docker")
needs_browser = pytest.mark.needs("browser")
needs_chain = pytest.mark.needs("chain")
needs_root = pytest.mark.needs("root")
needs_namespaces = pytest.mark.needs("namespaces")


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


CHECKS = {"docker": _docker, "browser": _browser, "chain": _chain, "root": _root, "namespaces": _namespaces}


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
