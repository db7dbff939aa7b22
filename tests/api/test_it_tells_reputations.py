"""A node's reputation over the API: the same to everybody, and what lies behind it to its owner."""

from __future__ import annotations

from django.utils import timezone

from apps.market.models import Agreement, FactKind
from apps.market.reputation.noting import note
from apps.market.reputation.reckoning import reckon
from apps.nodes.models import Node
from apps.teams.models import User
from tests.api.conftest import As


def test_it_tells_a_newcomer_from_the_first_moment(node: Node, stranger: User, as_: As) -> None:
    told = as_(stranger).get(f"/api/v1/nodes/{node.pk}/reputation/").json()
    assert (told["score"], told["is_newcomer"], told["uptime"], told["computed_at"]) == (
        0.6,
        True,
        None,
        None,
    )
    assert told["sentences"] == ["a newcomer: nothing is known of it yet"]


def test_it_tells_everybody_why_and_the_owner_of_what(
    node: Node, agreement: Agreement, owner: User, stranger: User, as_: As
) -> None:
    note(node.pk, FactKind.MISREPORTED, reference="misreported:1", agreement=agreement, detail="two faces")
    note(node.pk, FactKind.UPTIME, reference="uptime:1", merit=0.5)
    reckon([node.pk], now=timezone.now())
    path = f"/api/v1/nodes/{node.pk.upper().replace('X', 'x')}/reputation/"
    told = as_(stranger).get(path).json()
    assert told["sentences"][0] == "reported usage falsely under 1 agreement: two faces"
    assert (told["facts"], told["uptime"]) == ([], 0.5)
    mine = as_(owner).get(path).json()
    assert mine["score"] == told["score"] < 0.6
    uptime, false = mine["facts"]
    assert (uptime["kind"], uptime["agreement"]) == ("uptime", None)
    assert 0.0499 < uptime["speaks_for"] <= 0.05
    assert (false["kind"], false["agreement"]) == ("misreported", str(agreement.pk))
    assert 0.99 < false["speaks_against"] <= 1
