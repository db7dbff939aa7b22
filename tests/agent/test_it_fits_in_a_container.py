"""deploy/bee: what the container file copies is all that a Bee needs.

The image itself can't be built here, since its base can't be pulled; what its steps do is done without it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.conftest import ROOT

CONTAINERFILE = (ROOT / "deploy/bee/Containerfile").read_text()


def copied() -> list[str]:
    steps = re.findall(r"^COPY (.+) \S+$", CONTAINERFILE, re.MULTILINE)
    return [source for step in steps for source in shlex.split(step)]


def entrypoint() -> list[str]:
    (words,) = re.findall(r"^ENTRYPOINT \[(.+)\]$", CONTAINERFILE, re.MULTILINE)
    return [word.strip('" ') for word in words.split(",")]


@pytest.mark.real
def test_what_is_copied_installs_and_starts(tmp_path: Path) -> None:
    source, target = tmp_path / "src", tmp_path / "site"
    source.mkdir()
    for each in copied():
        path = ROOT / each
        if path.is_dir():
            shutil.copytree(path, source / each, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, cwd=tmp_path)
    shutil.rmtree(source)
    command, *words = entrypoint()
    assert command == "python"
    asked = subprocess.run(
        [sys.executable, *words, "run", "--help"],
        env=os.environ | {"PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stderr
    assert "Work for the Hive" in asked.stdout
    imported = "import agent.bee, agent.life, agent.runtimes.process; print(agent.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", imported],
        env=os.environ | {"PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == str(target / "agent/__init__.py"), found.stderr
