"""`${NAME}` in a Compose file: values come from --env, --env-file and the .env beside it."""

from pathlib import Path

import click
import pytest

from hive_client.variables import parse_env
from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, plan, refusal


@pytest.fixture
def folder(home: Path, double: DoubleOfTheHive) -> Path:
    (home / "compose.yaml").write_text("name: hello\n")
    double.answers("POST", "plans/", (201, plan()))
    return home


def sent(double: DoubleOfTheHive) -> dict[str, str] | None:
    return double.asked[-1][2].get("variables")


def test_it_sends_the_env_file_beside_the_compose_file(
    hive: Run, double: DoubleOfTheHive, folder: Path
) -> None:
    (folder / ".env").write_text("TAG=1.2\n")
    hive("plan")
    assert sent(double) == {"TAG": "1.2"}


def test_the_command_line_stands_before_files(hive: Run, double: DoubleOfTheHive, folder: Path) -> None:
    (folder / ".env").write_text("TAG=unread\n")
    (folder / "one").write_text("TAG=1\nNAME=one\nWHO=one\n")
    (folder / "two").write_text("TAG=2\nNAME=two\n")
    hive("plan", "--env-file", "one", "--env-file", "two", "--env", "TAG=3", "--env", "EMPTY=")
    assert sent(double) == {"TAG": "3", "NAME": "two", "WHO": "one", "EMPTY": ""}


def test_it_sends_of_the_environment_what_is_named(
    hive: Run, double: DoubleOfTheHive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAG", "4=4")
    monkeypatch.setenv("SECRET", "mine")
    hive("plan", "--env", "TAG")
    assert sent(double) == {"TAG": "4=4"}


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--env", "1A=2"), "--env 1A=2: expected NAME=VALUE"),
        (("--env", "NOT_THERE"), "--env NOT_THERE: your environment has no NOT_THERE"),
        (("--env-file", "gone"), "gone can't be read: No such file"),
    ],
)
def test_it_says_what_is_wrong(hive: Run, folder: Path, option: tuple[str, str], complaint: str) -> None:
    result = hive("plan", *option)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_it_reads_what_compose_reads() -> None:
    text = """
# a comment
PLAIN=one two  # and a comment
HASH=a#b
export SHELL_WAY=yes
SINGLE='as $it is # here'
DOUBLE="two\\nlines \\"quoted\\"" # comment
EMPTY=
SPACED = value
"""
    assert parse_env(text, file_name=".env") == {
        "PLAIN": "one two",
        "HASH": "a#b",
        "SHELL_WAY": "yes",
        "SINGLE": "as $it is # here",
        "DOUBLE": 'two\nlines "quoted"',
        "EMPTY": "",
        "SPACED": "value",
    }


@pytest.mark.parametrize("line", ["nonsense", "1A=2", "A='open", 'A="open', "A='b'c"])
def test_it_names_the_line_that_it_does_not_understand(line: str) -> None:
    with pytest.raises(click.UsageError, match=r"\.env, line 2: expected NAME=value"):
        parse_env(f"A=1\n{line}\n", file_name=".env")


def test_it_passes_on_which_variable_lacks_a_value(hive: Run, double: DoubleOfTheHive, folder: Path) -> None:
    fault = (
        "services.web.image: the variable TAG has no value; give one with --env TAG=value or ${TAG:-value}"
    )
    double.answers(
        "POST", "plans/", refusal(400, "manifest", fault, problems=[{"place": "", "message": fault}])
    )
    result = hive("plan")
    assert (result.exit_code, result.stderr) == (5, f"Error: {fault}\n")
