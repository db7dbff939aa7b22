"""`hive statement`: what came into a budget and went out of it in a month."""

import json
from pathlib import Path
from typing import Any

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page

MAY, JUNE = "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"


def statement(**fields: Any) -> dict[str, Any]:
    entry = {"at": "2026-05-07T12:00:00Z", "kind": "usage", "label": "Used", "about": "hive/hello:1"}
    entry |= {"amount_glm": "-0.000352", "balance_glm": "9.999648"}
    return {
        "format": "golem-hive-statement/1",
        "team": "bakery",
        "budget": 7,
        "name": "main",
        "start": MAY,
        "end": JUNE,
        "opening_glm": "10",
        "came_in_glm": "0",
        "went_out_glm": "0.000352",
        "closing_glm": "9.999648",
        "entries": [entry],
    } | fields


def test_it_tells_a_month(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "statements/", page(statement(), statement(name="other", budget=8)))
    first, _, row, last = hive("statement", "--month", "2026-05").stdout.splitlines()
    assert first == "May 2026, budget main: opening balance 10 GLM"
    assert row.split() == ["2026-05-07", "12:00", "Used", "hive/hello:1", "-0.000352", "9.999648"]
    assert last == "0 GLM came in, 0.000352 GLM went out; closing balance 9.999648 GLM"
    assert ("month", "2026-05") in double.params[-1]


def test_it_closes_no_month_that_runs(hive: Run, double: DoubleOfTheHive) -> None:
    running = statement(closing_label="Balance so far at 2026-05-07 12:00:01 UTC", is_over=False)
    double.answers("GET", "statements/", page(running))
    told = hive("statement").stdout
    assert told.endswith("went out; balance so far at 2026-05-07 12:00:01 UTC 9.999648 GLM\n")
    assert "closing" not in told


def test_it_names_transactions_where_there_are_some(hive: Run, double: DoubleOfTheHive) -> None:
    assert "TRANSACTION" not in told_of(hive, double, statement())
    [entry] = statement()["entries"]
    entry |= {"label": "Withdrawn", "about": "Withdrawal to 0x1234…abcd", "tx_hash": "0x" + "5e" * 32}
    told = told_of(hive, double, statement(entries=[entry]))
    assert "TRANSACTION" in told and "Withdrawal to 0x1234…abcd" in told and "0x" + "5e" * 32 in told


def told_of(hive: Run, double: DoubleOfTheHive, stated: dict[str, Any]) -> str:
    double.answers("GET", "statements/", page(stated))
    return hive("statement").stdout


def test_it_rounds_no_balance(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "statements/", page(statement(opening_glm="100", closing_glm="9.99999579")))
    told = hive("statement").stdout
    assert "opening balance 100 GLM" in told and told.endswith("closing balance 9.99999579 GLM\n")


def test_it_writes_every_digit_as_json(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "statements/", page(statement(closing_glm="9.123456789012345678")))
    told = json.loads(hive("statement", "-o", "json").stdout)
    assert (told["closing_glm"], told["entries"][0]["label"]) == ("9.123456789012345678", "Used")


def test_it_saves_a_file(hive: Run, double: DoubleOfTheHive, home: Path) -> None:
    double.answers("GET", "statements/", page(statement()))
    double.answers("GET", "statements/7/pdf/", (200, "the file"))
    assert hive("statement", "--month", "2026-05", "--save", "may.pdf").exit_code == 0
    assert "the file" in (home / "may.pdf").read_text()
    assert ("month", "2026-05") in double.params[-1]


def test_it_saves_json_too(hive: Run, double: DoubleOfTheHive, home: Path) -> None:
    double.answers("GET", "statements/", page(statement()))
    double.answers("GET", "statements/7/", (200, statement()))
    assert hive("statement", "--month", "2026-05", "--save", "may.json").exit_code == 0
    assert json.loads((home / "may.json").read_text()) == statement()
    assert ("month", "2026-05") in double.params[-1]


def test_it_says_which_budgets_there_are(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "statements/", page(statement()))
    refused = hive("statement", "--budget", "mian")
    assert (refused.exit_code, 'there is no "mian"; your team has main' in refused.stderr) == (2, True)


def test_it_writes_no_other_file(hive: Run) -> None:
    assert "ends in .pdf, .csv or .json" in hive("statement", "--save", "may.xls").stderr
