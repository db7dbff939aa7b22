"""Each kind of refusal has its exit status and one line for people; nothing ends in a traceback."""

import socket

import httpx
import pytest
from click.testing import CliRunner

from hive_client.cli import main
from hive_client.exits import MEANING
from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page, refusal


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "invalid", 5),
        (401, "unauthorized", 3),
        (402, "insufficient_funds", 6),
        (403, "forbidden", 6),
        (404, "not_found", 4),
        (409, "conflict", 6),
        (500, "internal", 1),
    ],
)
def test_it_tells_refusals_apart(
    hive: Run, double: DoubleOfTheHive, status: int, code: str, exit_code: int
) -> None:
    double.answers("GET", "deployments/hello/replicas/", refusal(status, code, "because of the reason"))
    result = hive("ps", "hello")
    assert result.exit_code == exit_code
    assert result.stderr == "Error: because of the reason\n"
    assert result.stdout == ""


def test_it_says_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HIVE_URL", url)
        monkeypatch.setenv("HIVE_TOKEN", "hive_x")
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        result = CliRunner().invoke(main, ["ps"])
    assert result.exit_code == 7
    assert result.stderr == f"Error: no Hive answers at {url}: is it running?\n"


def test_it_says_that_something_else_answers(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "deployments/", (200, "a page"), (200, "a page"))
    double.answers("GET", "nodes/", (418, {"i am": "a teapot"}))
    assert hive("nodes").exit_code == 7
    assert "that is no Hive" in hive("nodes").stderr


def test_it_survives_a_connection_that_breaks(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "deployments/", httpx.ReadError("reset"), (503, {}), page())
    assert hive("ps").exit_code == 0


def test_it_never_repeats_what_changes_something(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", "deployments/hello/stop/", httpx.ReadError("reset"))
    assert hive("stop", "hello").exit_code == 7
    assert len(double.asked) == 1


def test_it_wants_a_login_first() -> None:
    result = CliRunner().invoke(main, ["ps"])
    assert result.exit_code == 3
    assert "run `hive login http://localhost:8000`" in result.stderr


@pytest.mark.parametrize(
    "words", [("fly",), ("ps", "--fast"), ("scale", "hello", "web"), ("plan", "-f", "no.yaml")]
)
def test_it_knows_a_misspelt_command(hive: Run, words: tuple[str, ...]) -> None:
    assert hive(*words).exit_code == 2


def test_it_documents_every_exit_status(hive: Run) -> None:
    told = hive("--help").stdout
    for code, text in MEANING.items():
        assert f"{int(code)}  {text}" in told
