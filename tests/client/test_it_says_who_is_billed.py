"""`hive billing`: whom invoices are made out to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page


def details(**fields: Any) -> dict[str, Any]:
    given = {"team": "bakery", "name": "", "address": "", "tax_id": "", "email": "", "taxes": [], "note": ""}
    return given | {"is_monthly": True} | fields


BROT = details(
    name="Brot GmbH",
    address="Ofengasse 1\n10115 Berlin",
    tax_id="DE1",
    email="books@example.org",
    taxes=[{"name": "VAT", "percent": "19"}],
)


def test_it_shows_them_for_each_team(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "billing-details/", page(BROT, details(team="rivals")))
    _, first, second = hive("billing").stdout.splitlines()
    for told in ("bakery", "Brot GmbH", "DE1", "books@example.org", "VAT 19 %", "Ofengasse 1, 10115 Berlin"):
        assert told in first
    assert second.split() == ["rivals", "as", "the", "team", "-", "the", "owners", "none", "-"]
    assert json.loads(hive("billing", "-o", "json").stdout)[0] == BROT


@pytest.mark.parametrize(
    "words, said",
    [
        (["--name", "Brot GmbH", "--tax-id", "DE1"], {"name": "Brot GmbH", "tax_id": "DE1"}),
        (["--address", "Ofengasse 1", "--address", "Berlin"], {"address": "Ofengasse 1\nBerlin"}),
        (["--email", ""], {"email": ""}),
    ],
)
def test_it_changes_what_is_said_and_no_more(
    hive: Run, double: DoubleOfTheHive, words: list[str], said: dict[str, Any]
) -> None:
    double.answers("GET", "billing-details/", page(details()))
    double.answers("PATCH", "billing-details/bakery/", (200, BROT))
    result = hive("billing", "change", *words)
    assert (result.exit_code, "Brot GmbH" in result.stdout) == (0, True)
    assert double.asked[-1][2] == said


def test_it_asks_which_of_several_teams(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "billing-details/", page(details(), details(team="rivals")))
    double.answers("PATCH", "billing-details/rivals/", (200, details(team="rivals")))
    result = hive("billing", "change", "--name", "Rivals Ltd")
    assert result.exit_code != 0
    assert "say which team with --team: bakery, rivals" in result.stderr
    assert hive("billing", "change", "--name", "Rivals Ltd", "--team", "rivals").exit_code == 0


def test_it_says_what_may_be_changed(hive: Run) -> None:
    result = hive("billing", "change")
    assert result.exit_code == 2
    assert "--tax-id" in result.stderr


def test_no_control_character_gets_through(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "billing-details/", page(details(name="Brot\x1b[31m GmbH")))
    assert "\x1b" not in hive("billing").stdout
