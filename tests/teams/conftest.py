"""A webhook of the bakery's, with a real server behind it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from django.conf import Settings

from apps.teams.models import Team, Webhook
from tests.teams.receiver import Receiver, receiving


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """Loopback is allowed, as it would have to be in life."""
    settings.HIVE_WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with receiving() as server:
        yield server


@pytest.fixture
def webhook(team: Team, receiver: Receiver) -> Webhook:
    return Webhook.objects.create(team=team, url=receiver.url)
