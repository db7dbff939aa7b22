"""`hive agent install`: a unit that systemd itself finds good, put in and taken out again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import write_config
from agent.errors import AgentError
from agent.service import Service, quoted, systemd_version
from tests.agent.conftest import HIVE_AGENT, ROOT, config_for


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "my bee, 100% mine"
    home.mkdir()
    write_config(home, config_for("http://127.0.0.1:1", "process"))
    return home


def agent(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HIVE_AGENT, *words], cwd=ROOT, env=os.environ | environ, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("word", "safe"),
    [
        ("/plain/path", "/plain/path"),
        ("a b", '"a b"'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ('say "no"', '"say \\"no\\""'),
        ("a\\b", '"a\\\\b"'),
        ("a;b", '"a;b"'),
    ],
)
def test_it_takes_words_literally(word: str, safe: str) -> None:
    assert quoted(word) == safe


def test_it_restarts_the_agent_but_never_against_a_final_refusal_and_leaves_replicas_alone() -> None:
    lines = Service(Path("/srv/bee")).text(252).splitlines()
    assert {"Restart=always", "RestartPreventExitStatus=2 3", "KillMode=process", "Delegate=yes"} <= {*lines}
    assert "DelegateSubgroup=agent" in Service(Path("/srv/bee")).text(254)


def test_several_bees_have_names_that_are_names() -> None:
    assert Service(Path("/a"), "amber").unit == "hive-bee-amber.service"
    for name in ("../etc/passwd", "-x", "a b"):
        with pytest.raises(AgentError, match="no name for a service"):
            Service(Path("/a"), name)


@pytest.mark.real
@pytest.mark.needs("systemd")
@pytest.mark.parametrize("user", [False, True])
def test_systemd_finds_the_unit_good(home: Path, tmp_path: Path, user: bool) -> None:
    printed = agent("install", "--home", str(home), "--print", *(["--user"] if user else []))
    assert printed.returncode == 0, printed.stderr
    unit = tmp_path / "hive-bee.service"
    unit.write_text(printed.stdout)
    manager = "--user" if user else "--system"
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", manager, str(unit)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    complaints = [line for line in verified.stderr.splitlines() if "hive-bee" in line]
    assert (verified.returncode, complaints) == (0, []), verified.stderr
    broken = printed.stdout.replace("KillMode=process", "KillMode=nobody")
    unit.write_text(broken)
    again = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    assert "kill mode" in again.stderr, "it would have found a mistake"


@pytest.mark.real
@pytest.mark.needs("systemd")
def test_it_is_put_in_and_taken_out_again(home: Path, tmp_path: Path) -> None:
    """Where systemd does not run, as here, it is enabled for the next boot."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs here: this would start a service on the machine of whoever tests")
    words = ("--home", str(home), "--user", "--name", "test")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    installed = agent("install", *words, **environ)
    assert installed.returncode == 0, installed.stderr
    folder = tmp_path / "config/systemd/user"
    assert (folder / "default.target.wants/hive-bee-test.service").is_symlink()
    assert (folder / "hive-bee-test.service").read_text() == Service(home, "test", True).text(
        systemd_version()
    )
    assert agent("uninstall", *words, **environ).returncode == 0
    assert not list(folder.rglob("*.service"))
    again = agent("uninstall", *words, **environ)
    assert again.returncode == 1 and "nothing is installed" in again.stderr


@pytest.mark.real
def test_the_command_of_the_unit_starts_an_agent(home: Path) -> None:
    (line,) = [line for line in Service(home).text(252).splitlines() if line.startswith("ExecStart=")]
    assert line.endswith(f'-P -m agent run --home "{home}"'.replace("%", "%%"))
    helped = subprocess.run([sys.executable, "-m", "agent", "run", "--help"], cwd=ROOT, capture_output=True)
    assert helped.returncode == 0 and b"--home" in helped.stdout


@pytest.mark.real
def test_it_installs_no_bee_that_has_not_joined(tmp_path: Path) -> None:
    refused = agent("install", "--home", str(tmp_path / "none"), "--print")
    assert refused.returncode == 1 and "join a Hive first" in refused.stderr
