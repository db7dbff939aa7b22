"""The daily proof: a summary for everybody, each difference for operators, and the same as JSON."""

from __future__ import annotations

from django.test import Client

from apps.teams.models import Team, User
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery

BECAUSE = "came in, not deep enough to be credited"


def test_it_shows_each_day_to_the_last_digit(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.get("/proofs/").content.decode()
    assert page.index("2026-11-21") < page.index("2026-11-20") < page.index("2026-11-19")
    assert "29.000000000000000001" in page
    assert page.count("flagged</") == 1
    assert page.count("explained</") == 2


def test_it_tells_operators_alone_which_transfers_differ(
    scenery: Scenery, as_owner: Client, as_operator: Client
) -> None:
    assert BECAUSE not in as_owner.get("/proofs/").content.decode()
    assert BECAUSE in as_operator.get("/proofs/").content.decode()
    assert "lines" not in as_owner.get("/proofs.json").json()["proofs"][0]
    [told, *_] = as_operator.get("/proofs.json").json()["proofs"]
    assert told["lines"][0]["what"].startswith(BECAUSE)
    assert told["chain_balance_glm"] == "28.000000000000000001"
    assert (told["day"], told["verdict"]) == ("2026-11-21", "explained")


def test_it_says_so_while_no_day_is_proven(team: Team, owner: User) -> None:
    assert "No day is proven yet" in signed_in(owner).get("/proofs/").content.decode()
    assert signed_in(owner).get("/proofs.json").json() == {"proofs": []}
