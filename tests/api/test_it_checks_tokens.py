"""A token opens what it should, for as long as it should, and a refusal says why."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.teams.models import ApiToken, Team, User
from tests.api.conftest import with_token


@pytest.fixture
def issued(team: Team, owner: User) -> tuple[ApiToken, str]:
    return ApiToken.issue(team=team, user=owner, name="laptop")


def _why(text: str) -> str:
    response = with_token(text).get("/api/v1/me/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="Golem Hive"'
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == "unauthorized"
    return str(error["message"])


def test_it_knows_who_speaks(issued: tuple[ApiToken, str]) -> None:
    me = with_token(issued[1]).get("/api/v1/me/").json()
    assert me["user"] == "olga"
    assert me["teams"] == [{"slug": "bakery", "name": "The Bakery", "role": "owner"}]
    assert me["token"]["name"] == "laptop"
    assert issued[1] not in str(me)


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "hive_wrong", "hive_ä", "two words"])
def test_it_refuses_what_is_no_token(text: str) -> None:
    assert "no such token" in _why(text)


def test_it_refuses_a_revoked_token(issued: tuple[ApiToken, str]) -> None:
    ApiToken.objects.update(revoked_at=timezone.now())
    assert _why(issued[1]) == "token revoked"


def test_it_refuses_an_expired_token(issued: tuple[ApiToken, str]) -> None:
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert _why(issued[1]).startswith("token expired on ")


def test_it_refuses_a_user_who_is_gone(issued: tuple[ApiToken, str], owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert _why(issued[1]) == "its user is no longer active"


def test_it_refuses_a_user_who_left_the_team(issued: tuple[ApiToken, str], owner: User) -> None:
    owner.memberships.all().delete()
    assert _why(issued[1]) == "its user is no longer a member of bakery"


def test_it_notes_the_use_at_most_once_a_minute(issued: tuple[ApiToken, str]) -> None:
    client = with_token(issued[1])
    client.get("/api/v1/me/")
    first = ApiToken.objects.get(pk=issued[0].pk).last_used_at
    client.get("/api/v1/me/")
    assert ApiToken.objects.get(pk=issued[0].pk).last_used_at == first is not None
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    client.get("/api/v1/me/")
    assert ApiToken.objects.get(pk=issued[0].pk).last_used_at > first
