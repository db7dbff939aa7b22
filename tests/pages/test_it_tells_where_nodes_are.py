"""A node's region, and why it is doubted, wherever people look at nodes."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.nodes.models import Node
from apps.teams.models import User
from tests.pages.conftest import signed_in

pytestmark = pytest.mark.django_db

FAULT = "it answers within 5 ms, and no signal is back from us-east sooner than after 52 ms"


@pytest.fixture
def doubted(node: Node) -> Node:
    Node.objects.filter(pk=node.pk).update(region="us-east", region_fault=FAULT, round_trip_ms=5.2)
    node.refresh_from_db()
    return node


@pytest.mark.parametrize("path", ["/nodes/{}/", "/bees/{}/"])
def test_its_page_and_its_owners_say_why(doubted: Node, owner: User, path: str) -> None:
    page = signed_in(owner).get(path.format(doubted.pk)).content.decode()
    assert "us-east, is not believed" in page
    assert FAULT in page


def test_others_see_it_too(doubted: Node, stranger: User) -> None:
    client = signed_in(stranger)
    assert FAULT in client.get(f"/nodes/{doubted.pk}/").content.decode()
    assert "us-east, doubted" in client.get("/nodes/").content.decode()
    told = client.get(f"/api/v1/nodes/{doubted.pk}/").json()
    assert (told["region"], told["region_fault"], told["round_trip_ms"]) == ("us-east", FAULT, 5.2)


def test_operators_see_it_in_their_list(doubted: Node, as_operator: Client) -> None:
    assert "us-east (doubted)" in as_operator.get("/admin/nodes/node/").content.decode()
    doubted_ones = as_operator.get("/admin/nodes/node/?region_fault__isempty=0").content.decode()
    assert doubted.name in doubted_ones


def test_a_region_that_is_believed_is_shown_with_the_time_to_it(node: Node, owner: User) -> None:
    Node.objects.filter(pk=node.pk).update(region="eu-central", round_trip_ms=18.4)
    page = signed_in(owner).get(f"/nodes/{node.pk}/").content.decode()
    assert "eu-central" in page and "18 ms from the Queen and back" in page
    assert "not believed" not in page and "doubted" not in page
