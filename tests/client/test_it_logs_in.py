"""The login: kept for its owner alone, checked before it is saved, outdone by the environment."""

import stat

import pytest
from click.testing import CliRunner

from hive_client.cli import main
from hive_client.config import Login, config_file, load_login, save_login
from tests.client.double import DoubleOfTheHive, refusal

ME = {"user": "olga", "teams": [{"slug": "bakery", "name": "The Bakery", "role": "owner"}], "token": None}


def _login(double: DoubleOfTheHive, *words: str, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["login", *words], obj=double.open, input=stdin)
    return result.exit_code, result.output


def test_it_keeps_the_token_for_its_owner_alone(double: DoubleOfTheHive) -> None:
    double.answers("GET", "me/", (200, ME))
    code, told = _login(double, "http://double.test/", "--token", "hive_abc")
    assert code == 0
    assert "olga (owner of bakery)" in told
    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600
    assert load_login() == Login("http://double.test", "hive_abc")


def test_it_reads_the_token_from_standard_input(double: DoubleOfTheHive) -> None:
    double.answers("GET", "me/", (200, ME))
    assert _login(double, "--token", "-", stdin="hive_piped\n")[0] == 0
    assert double.tokens == {"Bearer hive_piped"}


def test_it_asks_for_the_token_without_showing_it(
    double: DoubleOfTheHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: True, raising=False)
    double.answers("GET", "me/", (200, ME))
    code, told = _login(double, stdin="hive_typed\n")
    assert code == 0
    assert "hive_typed" not in told


def test_it_says_what_to_do_without_a_terminal(double: DoubleOfTheHive) -> None:
    code, told = _login(double, stdin="hive_typed\n")
    assert code == 2
    assert "no terminal to ask on: give --token, or --token - to read it from standard input" in told
    assert not double.asked


def test_it_saves_no_token_that_is_refused(double: DoubleOfTheHive) -> None:
    double.answers("GET", "me/", refusal(401, "unauthorized", "token revoked"))
    assert _login(double, "--token", "hive_old") == (3, "Error: token revoked\n")
    assert not config_file().exists()


def test_it_lets_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    save_login(Login("http://saved.test", "hive_saved"))
    monkeypatch.setenv("HIVE_TOKEN", "hive_env")
    assert load_login() == Login("http://saved.test", "hive_env")


def test_it_sends_a_saved_token_to_no_other_hive(monkeypatch: pytest.MonkeyPatch) -> None:
    save_login(Login("http://saved.test", "hive_saved"))
    monkeypatch.setenv("HIVE_URL", "http://elsewhere.test")
    assert load_login() == Login("http://elsewhere.test", "")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://hive.test", "http://", ""])
def test_it_knows_what_is_no_address(double: DoubleOfTheHive, url: str) -> None:
    code, told = _login(double, url, "--token", "hive_abc")
    assert code == 2
    assert "is no address: expected http://host:port" in told
