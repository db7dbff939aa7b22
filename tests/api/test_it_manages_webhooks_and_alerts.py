"""Webhooks, their deliveries and alert levels over the API, for owners."""

from __future__ import annotations

from typing import Any

import pytest

from apps.billing.models import Budget
from apps.teams.models import Delivery, Team, User, Webhook
from apps.teams.notices.notifying import notify
from apps.teams.notices.sending import deliver_notices
from tests.api.conftest import As
from tests.teams.conftest import receiver
from tests.teams.receiver import Receiver

__all__ = ["receiver"]

HOOKS = "/api/v1/webhooks/"
ALERTS = "/api/v1/alerts/"


def test_an_owner_adds_tries_rotates_and_removes_one(
    team: Team, owner: User, as_: As, receiver: Receiver
) -> None:
    client = as_(owner)
    made = client.post(HOOKS, {"url": receiver.url}, format="json")
    assert made.status_code == 201
    hook = made.json()
    assert hook["secret"].startswith("whsec_")
    [listed] = client.get(HOOKS).json()["results"]
    assert listed == {name: value for name, value in hook.items() if name != "secret"}
    assert "secret" not in client.get(f"{HOOKS}{hook['id']}/").json()
    tried = client.post(f"{HOOKS}{hook['id']}/test/").json()
    assert (tried["kind"], tried["state"], tried["attempts"]) == ("webhook.test", "waiting", [])
    twice = client.post(f"{HOOKS}{hook['id']}/test/")
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "webhook_refused")
    deliver_notices()
    assert receiver.verified(hook["secret"])["type"] == "webhook.test"
    told = client.get(f"/api/v1/deliveries/{tried['id']}/").json()
    assert (told["state"], told["attempts"][0]["status"]) == ("delivered", 204)
    rotated = client.post(f"{HOOKS}{hook['id']}/rotate/").json()
    assert rotated["secret"] != hook["secret"]
    assert client.delete(f"{HOOKS}{hook['id']}/").status_code == 204
    assert client.get(HOOKS).json()["results"] == []
    assert client.post(f"{HOOKS}{hook['id']}/test/").status_code == 404


def test_it_sends_the_same_anew(team: Team, owner: User, as_: As, receiver: Receiver) -> None:
    hook = Webhook.objects.create(team=team, url=receiver.url)
    other = Webhook.objects.create(team=team, url=f"{receiver.url}/other")
    receiver.status = 410
    notify(team=team, kind="budget.used", subject="80 %", text="are used", to=[])
    deliver_notices()
    client = as_(owner)
    assert len(client.get("/api/v1/deliveries/").json()["results"]) == 2
    [broken] = client.get("/api/v1/deliveries/", {"webhook": str(hook.pk)}).json()["results"]
    assert (broken["state"], broken["webhook"]) == ("given_up", str(hook.pk))
    again = client.post(f"/api/v1/deliveries/{broken['id']}/redeliver/")
    assert (again.status_code, again.json()["state"]) == (201, "waiting")
    refused = client.post(f"/api/v1/deliveries/{again.json()['id']}/redeliver/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_refused")
    assert Delivery.objects.filter(webhook=other).count() == 1
    assert client.get("/api/v1/deliveries/", {"webhook": "x"}).status_code == 400


@pytest.mark.parametrize(
    "said, status, words",
    [
        ({"url": "https://10.0.0.1/"}, 409, "not an address of the public internet"),
        ({"url": "http://hooks.example/"}, 409, "expected https://"),
        ({"url": ""}, 400, "url"),
        ({"url": "https://x.example/" + "y" * 2000}, 400, "url"),
        ({"uri": "https://hooks.example/"}, 400, 'did you mean "url"?'),
    ],
)
def test_it_tells_why_it_can_not_be(
    team: Team, owner: User, as_: As, said: dict[str, str], status: int, words: str
) -> None:
    refused = as_(owner).post(HOOKS, said, format="json")
    assert (refused.status_code, words in refused.json()["error"]["message"]) == (status, True)


def test_an_owner_sets_alerts(main_budget: Budget, owner: User, teammate: User, as_: As) -> None:
    client = as_(owner)
    usual = client.get(ALERTS).json()["results"]
    assert [(one["kind"], one["level"]) for one in usual] == [("runway", 24), ("used", 80), ("used", 95)]
    made = client.post(ALERTS, {"kind": "runway", "level": 6}, format="json")
    assert made.status_code == 201
    told: dict[str, Any] = made.json()
    assert (told["budget"], told["crossed_at"], told["level"]) == ("main", None, 6)
    assert len(as_(teammate).get(ALERTS).json()["results"]) == 4
    assert client.delete(f"{ALERTS}{told['id']}/").status_code == 204
    assert len(client.get(ALERTS).json()["results"]) == 3


@pytest.mark.parametrize(
    "said, status, words",
    [
        ({"kind": "used", "level": 80}, 409, "already"),
        ({"kind": "used", "level": 101}, 409, "from 1 to 100"),
        ({"kind": "used", "level": 0}, 400, "level"),
        ({"kind": "used", "level": 2**63}, 400, "level"),
        ({"kind": "used", "level": "NaN"}, 400, "level"),
        ({"kind": "money", "level": 5}, 400, "kind"),
        ({"kind": "used", "level": 5, "budget": "other"}, 400, 'has no budget "other"'),
        ({"kind": "used", "levels": 5}, 400, 'did you mean "level"?'),
    ],
)
def test_it_tells_why_an_alert_can_not_be(
    main_budget: Budget, owner: User, as_: As, said: dict[str, Any], status: int, words: str
) -> None:
    refused = as_(owner).post(ALERTS, said, format="json")
    assert (refused.status_code, words in refused.json()["error"]["message"]) == (status, True)
