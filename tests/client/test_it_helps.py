"""Help costs nothing: it lists every command without importing one, and each shows an example."""

import subprocess
import sys
from pathlib import Path

import pytest

import hive_client
from hive_client.cli import COMMANDS
from hive_client.lazy import Lazy
from tests.client.conftest import Run

OWN = [name for name, lazy in COMMANDS.items() if lazy.target.startswith("hive_client.")]


@pytest.mark.parametrize("name", OWN)
def test_it_shows_an_example(hive: Run, name: str) -> None:
    result = hive(name, "--help")
    assert result.exit_code == 0
    assert f"hive {name}" in result.stdout.partition("Example")[2]
    assert "-o, --output" in result.stdout


def test_it_needs_neither_django_nor_the_agent() -> None:
    """In a process of its own: here, half of the world is imported already."""
    script = """
import sys
from click.testing import CliRunner
from hive_client.cli import COMMANDS, main
for name in COMMANDS:
    if COMMANDS[name].target.startswith("hive_client."):
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0
assert CliRunner().invoke(main, ["--help"]).exit_code == 0
print([name for name in sys.modules if name.partition(".")[0] in {"django", "agent", "apps", "hive_portal"}])
"""
    project = Path(hive_client.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_it_says_which_extra_is_missing(hive: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="django")

    monkeypatch.setattr("hive_client.lazy.import_module", absent)
    result = hive("serve")
    assert result.exit_code == 1
    assert result.stderr == "Error: hive serve needs the server: pip install 'golem-hive[server]'\n"


def test_it_does_not_hide_a_broken_module_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError):
        Lazy("hive_client.no_such_module:command", "", extra="server", needs="server").load("serve")
