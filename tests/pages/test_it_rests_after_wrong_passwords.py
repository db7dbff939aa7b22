"""Guessing passwords is slow: after ten wrong ones a name is not asked again from there for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from apps.teams.models import User
from apps.teams.tasks import forget_wrong_passwords

pytestmark = pytest.mark.django_db

LOGIN, ADMIN = "/login/", "/admin/login/"
OK, LATER = 302, 429


def tries(client: Client, password: str, *, at: str = LOGIN, name: str = "otto") -> int:
    said = {"username": name, "password": password}
    return int(client.post(at, said).status_code)


@pytest.mark.parametrize("door", [LOGIN, ADMIN])
def test_even_the_right_password_waits_then(client: Client, operator: User, door: str) -> None:
    for _ in range(9):
        assert tries(client, "wrong", at=door) != LATER
    assert tries(client, "wrong", at=door) == LATER
    locked = client.post(door, {"username": "otto", "password": "otto-password"})
    assert locked.status_code == LATER
    assert "Too many tries" in locked.content.decode() and "10 min" in locked.content.decode()


def test_the_rest_ends(client: Client, operator: User) -> None:
    for _ in range(10):
        tries(client, "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=11))
    assert tries(client, "otto-password") == OK


def test_others_are_not_kept_waiting(client: Client, operator: User, owner: User) -> None:
    owner.set_password("olga-password")
    owner.save()
    for _ in range(10):
        tries(client, "wrong")
    assert tries(client, "olga-password", name="olga") == OK
    assert tries(Client(REMOTE_ADDR="192.0.2.7"), "otto-password") == OK


def test_a_right_password_forgives_wrong_ones(client: Client, operator: User) -> None:
    for _ in range(2):
        assert all(tries(client, "wrong") != LATER for _ in range(9))
        assert tries(client, "otto-password") == OK
        client.post("/logout/")


def test_wrong_passwords_are_forgotten_after_a_day(client: Client, operator: User) -> None:
    tries(client, "wrong")
    forget_wrong_passwords()
    assert AccessAttempt.objects.exists()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(days=2))
    forget_wrong_passwords()
    assert not AccessAttempt.objects.exists()
