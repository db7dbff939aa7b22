"""A painted hive, and clients for each of the cast."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.nodes import streams
from apps.teams.models import Team, User
from tests.pages.scenery import Scenery, paint


@pytest.fixture
def scenery(team: Team, owner: User) -> Scenery:
    return paint(team, owner)


@pytest.fixture
def deaf_bees(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Bee runs in these tests: whoever asks one for something learns so at once."""
    monkeypatch.setattr(streams, "ANSWER_WITHIN_S", 0.2)


@pytest.fixture
def as_owner(owner: User) -> Client:
    return signed_in(owner)


@pytest.fixture
def as_stranger(stranger: User) -> Client:
    return signed_in(stranger)


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser(username="otto", password="otto-password")


@pytest.fixture
def as_operator(operator: User) -> Client:
    return signed_in(operator)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
