"""Invariant 6: a row of another team is a 404 at every address, and nobody anonymous gets anywhere."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.teams.models import Member, Role, Team, User
from tests.api.addresses import Address, addresses
from tests.api.conftest import As

ALL = addresses()
OF_ONE = [address for address in ALL if address.has_id]
OF_A_USER = {"node", "bee", "enrolment", "dispute"}
"""Nodes are a user's own, not a team's."""
WITHOUT_PAGES = {"api-me", "api-node-peers", "api-wallet-payment-request"}
THE_SAME_FOR_ALL = {"market"}
LISTS = [
    address
    for address in ALL
    if not address.has_id
    and address.method == "get"
    and address.name not in WITHOUT_PAGES
    and address.noun not in THE_SAME_FOR_ALL
]


def _ask(client: APIClient, address: Address, pk: Any = "1") -> Any:
    return getattr(client, address.method)(address.url(pk), {}, format="json")


def test_it_walks_all_of_it() -> None:
    """The walk itself must not come back with less than there is."""
    assert {str(address) for address in OF_ONE} >= {
        "get api-deployment-detail",
        "post api-deployment-scale",
        "post api-plan-apply",
        "delete api-token-detail",
        "get api-budget-detail",
        "get api-node-peerHardware",
    }
    assert len(ALL) >= 28


@pytest.mark.django_db
@pytest.mark.parametrize("address", ALL, ids=str)
def test_it_lets_nobody_anonymous_in(address: Address) -> None:
    response = _ask(APIClient(), address)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("address", OF_ONE, ids=str)
def test_it_hides_rows_of_another_team(
    address: Address, theirs: dict[str, Any], stranger: User, as_: As
) -> None:
    response = _ask(as_(stranger), address, theirs[address.noun])
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("address", OF_ONE, ids=str)
def test_it_shows_them_to_their_own_team(
    address: Address, theirs: dict[str, Any], owner: User, as_: As
) -> None:
    """So that the 404 above is for the team and not for the address."""
    assert _ask(as_(owner), address, theirs[address.noun]).status_code != 404


@pytest.mark.parametrize("address", [each for each in OF_ONE if each.noun not in OF_A_USER], ids=str)
def test_it_keeps_a_token_to_its_one_team(
    address: Address, theirs: dict[str, Any], owner: User, other_team: Team, as_: As
) -> None:
    """The same user in both teams, but a token of the other one."""
    Member.objects.create(team=other_team, user=owner, role=Role.OWNER)
    assert _ask(as_(owner, team=other_team), address, theirs[address.noun]).status_code == 404


@pytest.mark.parametrize("address", LISTS, ids=str)
def test_it_lists_nothing_of_another_team(
    address: Address, theirs: dict[str, Any], stranger: User, as_: As
) -> None:
    client = as_(stranger)
    listed = [str(row.get("id", row.get("agreement"))) for row in _ask(client, address).json()["results"]]
    assert not {str(pk) for pk in theirs.values() if len(str(pk)) > 30} & set(listed)
    if address.noun in {
        "plan",
        "deployment",
        "agreement",
        "usage",
        "invoice",
        "budget",
        "wallet",
        "enrolment",
        "bee",
    }:
        assert listed == []


@pytest.mark.parametrize("address", [each for each in LISTS if each.noun not in OF_A_USER], ids=str)
def test_it_gives_no_other_team_by_asking_for_it(
    address: Address, theirs: dict[str, Any], stranger: User, team: Team, as_: As
) -> None:
    response = as_(stranger).get(address.url(), {"team": team.slug})
    assert response.status_code == 404 or response.json()["results"] == []
