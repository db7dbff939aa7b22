"""Viewers look, developers change, owners deal with money and tokens: a 403 inside one's own team."""

from typing import Any

import pytest

from apps.teams.models import ApiToken, AuditLine, Team, User
from tests.api.addresses import addresses
from tests.api.conftest import As, with_token

OF_A_USER = {"node", "enrolment", "dispute"}
"""Whose owner alone sees them, whatever their part in a team."""
CHANGES = [each for each in addresses() if each.method != "get" and each.noun not in OF_A_USER]
OWNERS_ALONE = [each for each in CHANGES if each.noun in {"token", "wallet", "webhook", "delivery", "alert"}]


@pytest.mark.parametrize("address", CHANGES, ids=str)
def test_it_lets_viewers_change_nothing(address: Any, theirs: dict[str, Any], viewer: User, as_: As) -> None:
    url = address.url(theirs.get(address.noun))
    response = getattr(as_(viewer), address.method)(url, {}, format="json")
    assert response.status_code == 403
    assert "viewer" in response.json()["error"]["message"]


@pytest.mark.parametrize("address", OWNERS_ALONE, ids=str)
def test_it_keeps_money_and_tokens_to_owners(
    address: Any, theirs: dict[str, Any], teammate: User, as_: As
) -> None:
    url = address.url(theirs.get(address.noun))
    response = getattr(as_(teammate), address.method)(url, {}, format="json")
    assert response.status_code == 403
    assert "only an owner of bakery" in response.json()["error"]["message"]


def test_it_lets_viewers_look(deployment: Any, viewer: User, as_: As) -> None:
    assert as_(viewer).get("/api/v1/deployments/hello/").json()["name"] == "hello"


def test_it_makes_and_revokes_tokens(owner: User, as_: As) -> None:
    client = as_(owner)
    made = client.post("/api/v1/tokens/", {"name": "ci", "valid_days": 7}, format="json").json()
    assert with_token(made["token"]).get("/api/v1/me/").status_code == 200
    assert "token" not in client.get(f"/api/v1/tokens/{made['id']}/").json()
    assert client.delete(f"/api/v1/tokens/{made['id']}/").status_code == 204
    assert with_token(made["token"]).get("/api/v1/me/").status_code == 401
    lines = AuditLine.objects.filter(noun="apitoken", noun_id=str(made["id"])).order_by("id")
    assert [(line.after, line.actor) for line in lines] == [("issued", "user:olga"), ("revoked", "user:olga")]


def test_it_never_stores_the_secret(owner: User, team: Team) -> None:
    token, text = ApiToken.issue(team=team, user=owner, name="ci")
    kept = [str(value) for value in ApiToken.objects.filter(pk=token.pk).values_list().get()]
    assert text not in kept
