"""PostgreSQL knows no NUL: whoever sends one is told so, at every address, and nothing breaks."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.teams.models import User
from hive_portal.refusing import place_of_nul
from tests.api.addresses import Address, addresses
from tests.api.conftest import As

ALL = addresses()
BY_ANY_NAME = ["nodes", "deployments", "bees", "billing-details", "plans", "invoices", "keys", "agreements"]


def _refused(response: Any, place: str) -> None:
    assert response.status_code == 400, response.content
    error = response.json()["error"]
    assert (error["code"], error["place"], error["problems"][0]["place"]) == ("invalid", place, place)


@pytest.mark.parametrize("address", ALL, ids=str)
def test_it_takes_none_in_a_query(address: Address, owner: User, as_: As) -> None:
    client = as_(owner)
    for query in ("team=%00", "a%00=1"):
        asked = getattr(client, address.method)(f"{address.url('1')}?{query}", {}, format="json")
        _refused(asked, "query")


@pytest.mark.parametrize("noun", BY_ANY_NAME)
def test_it_takes_none_in_a_path(noun: str, owner: User, as_: As) -> None:
    client = as_(owner)
    for path in ("%00/", "a%00b/", "%00"):
        _refused(client.get(f"/api/v1/{noun}/{path}"), "path")


def test_it_tells_programs_of_peers_so_too(owner: User, as_: As) -> None:
    _refused(as_(owner).get("/peers?a=%00"), "query")


def test_it_takes_the_text_of_one_for_what_it_is(owner: User, as_: As) -> None:
    """`%2500` is five letters."""
    assert as_(owner).get("/api/v1/budgets/?team=%2500").status_code == 200
    assert as_(owner).get("/api/v1/nodes/%2500/").status_code == 404
    assert place_of_nul("/%00/", "a=%2500") == ""


@pytest.mark.django_db
def test_it_says_so_to_anybody() -> None:
    _refused(APIClient().get("/api/v1/nodes/%00/"), "path")


@pytest.mark.parametrize(
    "url, said",
    [
        ("plans/", {"source": "services: {web: {image: 'a:1', environment: {A: \"x\\0y\"}}}"}),
        ("plans/", {"source": "services: {\"w\\0b\": {image: 'a:1'}}"}),
        ("plans/", {"source": "name: \"w\\0b\"\nservices: {web: {image: 'a:1'}}"}),
        ("plans/", {"source": 'services: {web: {image: "a\\0:1"}}'}),
        ("plans/", {"source": "services: {web: {image: 'a:1', command: [\"a\\0\"]}}"}),
        ("plans/", {"source": "services: {web: {image: 'a:1', volumes: [\"a\\0:/b\"]}}"}),
        ("plans/", {"source": "services: {web: {image: 'a:${A}'}}", "variables": {"A": "\0"}}),
        ("plans/", {"source": "services: {}\0"}),
        ("keys/", {"name": "a\0b"}),
        ("keys/", {"name": "a", "providers": ["\0"]}),
        ("keys/", {"name": "a", "images": ["sha256:\0"]}),
        ("tokens/", {"name": "a\0b"}),
        ("webhooks/", {"url": "https://a\0.example/"}),
        ("withdrawals/", {"recipient": "0x\0", "amount_glm": "1"}),
        ("wallets/messages/", {"address": "0x\0"}),
        ("wallets/", {"nonce": "\0", "signature": "\0"}),
        ("alerts/", {"budget": "\0", "kind": "used", "threshold": "\0"}),
    ],
    ids=str,
)
def test_it_takes_none_in_a_body(url: str, said: dict[str, Any], owner: User, as_: As) -> None:
    answer = as_(owner).post(f"/api/v1/{url}", said, format="json")
    assert answer.status_code == 400, answer.content
