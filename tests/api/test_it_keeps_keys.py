"""Application keys over the API: made and changed by owners alone, shown once, kept within their reach."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from agent.rules.signers import written
from apps.billing.budgets.holding import place_hold
from apps.billing.models import Budget
from apps.deployments.models import Deployment, Plan
from apps.market.keys.pace import wait_ms
from apps.market.models import KeyPolicy
from apps.nodes.models import Offer
from apps.teams.audit import Actor
from apps.teams.models import ApiToken, Member, Role, Team, User
from tests.agent.test_it_lets_in_only_what_the_owner_trusts import pem
from tests.api.addresses import Address, addresses
from tests.api.conftest import As, with_token

KEYS = "/api/v1/keys/"
DIGEST = "sha256:" + "1" * 64
NODE = "0x" + "A" * 40
SOMEBODY = Ed25519PrivateKey.generate()
COMPOSE = "services: {web: {image: 'hive/hello:1', x-hive: {runtime: process}}}"

MakeKey = Callable[..., tuple[KeyPolicy, APIClient]]


@pytest.fixture
def make_key(team: Team, owner: User) -> MakeKey:
    """`make_key(name="shop", **allowed)`: the policy, and a client that speaks with the key."""

    def make(name: str = "shop", **allowed: Any) -> tuple[KeyPolicy, APIClient]:
        policy, text = KeyPolicy.issue(team=team, user=owner, name=name, valid=timedelta(days=1), **allowed)
        return policy, with_token(text)

    return make


# -- made, shown, changed, revoked ------------------------------------------------------------------------


def test_it_makes_one_and_shows_it_once(owner: User, as_: As) -> None:
    client = as_(owner)
    asked = {
        "name": "ci",
        "valid_days": 7,
        "providers": [NODE, NODE.lower()],
        "images": [DIGEST.upper().replace("SHA256", "sha256")],
        "signers": [pem(SOMEBODY)],
        "limit_glm": "20",
        "limit_per_day_glm": "0.000000000000000001",
        "requests_per_minute": 60,
    }
    made = client.post(KEYS, asked, format="json")
    assert made.status_code == 201
    told = made.json()
    assert told["providers"] == [NODE.lower()]
    assert told["images"] == [DIGEST]
    assert told["signers"] == [written(SOMEBODY.public_key())]
    assert (told["limit_glm"], told["limit_per_day_glm"]) == ("20", "0.000000000000000001")
    assert (told["limit_per_hour_glm"], told["spent_glm"]) == (None, "0")
    assert with_token(told["key"]).get("/api/v1/me/").json()["token"]["name"] == "ci"
    assert told["key"] not in client.get(KEYS).content.decode()
    assert told["key"] not in client.get(f"{KEYS}{told['id']}/").content.decode()
    stored = ApiToken.objects.get(pk=told["id"])
    assert told["key"] not in {str(value) for value in vars(stored).values()}
    assert stored.expires_at - timezone.now() < timedelta(days=7)


def test_it_makes_no_second_key_of_a_name_in_force(owner: User, make_key: MakeKey, as_: As) -> None:
    policy, _ = make_key(name="ci")
    again = as_(owner).post(KEYS, {"name": "ci"}, format="json")
    assert again.status_code == 400
    assert 'name: there is a key "ci" already' in again.json()["error"]["message"]
    policy.revoke(actor=Actor.user(owner), reason="rotated")
    assert as_(owner).post(KEYS, {"name": "ci"}, format="json").status_code == 201


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"limit": {"x": 1}}, 'unknown field "limit": did you mean "limit_glm"?'),
        ({"limitglm": "1"}, 'unknown field "limitglm": did you mean "limit_glm"?'),
        ({"team": "bakery"}, 'unknown field "team": the address says which, with ?team='),
        ({"zzz": 1}, 'unknown field "zzz": known are providers, images,'),
    ],
)
def test_it_refuses_a_rule_that_it_does_not_know(
    asked: dict[str, Any], words: str, owner: User, make_key: MakeKey, as_: As
) -> None:
    policy, _ = make_key(name="other")
    made = as_(owner).post(KEYS, {"name": "a"} | asked, format="json")
    changed = as_(owner).patch(f"{KEYS}{policy.token_id}/", asked, format="json")
    assert (made.status_code, changed.status_code) == (400, 400)
    assert made.json()["error"]["message"].startswith(words)
    assert changed.json()["error"]["message"].startswith(words)
    assert not ApiToken.objects.filter(name="a").exists()


@pytest.mark.parametrize(
    ("asked", "place", "words"),
    [
        (
            {"providers": ["anna"]},
            "providers",
            "expected a node id, 0x and 40 hexadecimal digits, got 'anna'",
        ),
        ({"images": ["app:1"]}, "images", 'expected "sha256:" or "sha3-256:" and 64 hexadecimal digits'),
        ({"signers": ["/etc/passwd"]}, "signers", "expected a public key"),
        ({"limit_glm": "-1"}, "limit_glm", "greater than or equal to 0"),
        ({"limit_glm": "NaN"}, "limit_glm", "valid number"),
        ({"requests_per_minute": 0}, "requests_per_minute", "greater than or equal to 1"),
        ({"name": ""}, "name", "blank"),
    ],
)
def test_it_says_what_is_wrong_with_what_was_asked(
    owner: User, as_: As, asked: Any, place: str, words: str
) -> None:
    refused = as_(owner).post(KEYS, {"name": "ci"} | asked, format="json")
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["place"].startswith(place)
    assert words in error["message"]
    assert not KeyPolicy.objects.exists()


def test_it_changes_what_is_mentioned_and_nothing_else(owner: User, as_: As, make_key: MakeKey) -> None:
    policy, _ = make_key(images=[DIGEST], limit_glm=Decimal(5), requests_per_minute=60)
    asked = {"limit_glm": None, "providers": [NODE]}
    told = as_(owner).patch(f"{KEYS}{policy.token_id}/", asked, format="json").json()
    assert (told["limit_glm"], told["providers"]) == (None, [NODE.lower()])
    assert (told["images"], told["requests_per_minute"]) == ([DIGEST], 60)


def test_it_says_in_words_what_each_may(owner: User, as_: As, make_key: MakeKey) -> None:
    policy, _ = make_key(limit_glm=Decimal("12345678901234567890.012345678901234567"), requests_per_minute=60)
    told = as_(owner).get(f"{KEYS}{policy.token_id}/").json()["in_words"]
    assert told == "12345678901234567890.012345678901234567 GLM in all; 60 requests a minute"


def test_it_shows_what_was_spent_and_what_runs(
    owner: User, as_: As, make_key: MakeKey, budget: Budget, deployment: Deployment
) -> None:
    policy, _ = make_key()
    Deployment.objects.filter(pk=deployment.pk).update(key=policy.token)
    until = timezone.now() + timedelta(minutes=15)
    place_hold(
        budget=budget,
        reference="replica:1:1",
        amount_glm=Decimal("0.25"),
        until=until,
        key=policy.token,
        per_hour_glm=Decimal(1),
    )
    [told] = as_(owner).get(KEYS).json()["results"]
    amounts = [told[f"{name}_glm"] for name in ("spent", "spent_today", "held", "per_hour")]
    assert amounts == ["0.25", "0.25", "0.25", "1"]
    assert told["deployments"] == ["hello"]


def test_a_key_stands_among_the_tokens_as_what_it_is(owner: User, as_: As, make_key: MakeKey) -> None:
    client = as_(owner)
    make_key()
    told = {each["name"]: each["is_limited"] for each in client.get("/api/v1/tokens/").json()["results"]}
    assert told == {"test": False, "shop": True}


def test_a_key_whose_policy_is_gone_may_nothing(make_key: MakeKey) -> None:
    policy, client = make_key()
    client.raise_request_exception = False
    policy.delete()
    assert client.get("/api/v1/deployments/").status_code >= 400


def test_it_opens_nothing_once_revoked(owner: User, as_: As, make_key: MakeKey) -> None:
    policy, client = make_key()
    assert as_(owner).delete(f"{KEYS}{policy.token_id}/").status_code == 204
    assert client.get("/api/v1/deployments/").json()["error"]["message"] == "token revoked"
    assert as_(owner).get(f"{KEYS}{policy.token_id}/").json()["state"] == "revoked"


def test_a_list_of_many_costs_no_more_queries(
    owner: User, as_: As, make_key: MakeKey, django_assert_max_num_queries: Any
) -> None:
    client = as_(owner)
    for number in range(12):
        make_key(f"key {number}")
    with django_assert_max_num_queries(12):
        assert client.get(KEYS).json()["count"] == 12


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_they_are_an_owners_alone(team: Team, as_: As, make_key: MakeKey, role: str) -> None:
    policy, _ = make_key()
    somebody = User.objects.create_user(username="uma")
    Member.objects.create(team=team, user=somebody, role=role)
    client, one = as_(somebody), f"{KEYS}{policy.token_id}/"
    answers = [
        client.get(KEYS),
        client.post(KEYS, {"name": "mine"}),
        client.get(one),
        client.patch(one, {"providers": []}, format="json"),
        client.delete(one),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert KeyPolicy.objects.count() == 1


# -- how far a key reaches --------------------------------------------------------------------------------

REACHED = {"me", "plan", "deployment", "node", "market"}
CLOSED = [address for address in addresses() if address.noun not in REACHED]


def test_what_is_closed_to_keys_is_named() -> None:
    assert {address.noun for address in CLOSED} >= {
        "token",
        "key",
        "budget",
        "invoice",
        "usage",
        "agreement",
        "enrolment",
        "bee",
    }


@pytest.mark.parametrize("address", CLOSED, ids=str)
def test_a_key_makes_no_keys_and_touches_no_money(
    address: Address, theirs: dict[str, Any], make_key: MakeKey
) -> None:
    """Though its user is an owner."""
    _, client = make_key()
    answer = getattr(client, address.method)(address.url(theirs.get(address.noun)), {}, format="json")
    assert answer.status_code == 403
    assert answer.json()["error"]["message"].startswith('key "shop" (hive_')


def test_a_key_reaches_only_what_was_made_with_it(
    deployment: Deployment, plan: Plan, make_key: MakeKey
) -> None:
    policy, client = make_key()
    _, stranger = make_key("other")
    for each in (client, stranger):
        assert each.get("/api/v1/deployments/").json()["results"] == []
        assert each.get(f"/api/v1/plans/{plan.pk}/").status_code == 404
        assert each.post("/api/v1/deployments/hello/scale/", {}).status_code == 404
    Deployment.objects.update(key=policy.token)
    Plan.objects.update(key=policy.token)
    assert client.get("/api/v1/deployments/hello/").json()["name"] == "hello"
    assert client.get(f"/api/v1/plans/{plan.pk}/").status_code == 200
    assert client.post("/api/v1/deployments/hello/stop/").status_code == 200
    assert stranger.get("/api/v1/deployments/hello/").status_code == 404


def test_a_member_reaches_what_was_made_with_any_key(
    deployment: Deployment, teammate: User, as_: As, make_key: MakeKey
) -> None:
    policy, _ = make_key()
    Deployment.objects.update(key=policy.token)
    assert as_(teammate).get("/api/v1/deployments/hello/").status_code == 200


def test_a_key_sees_nobodys_private_facts(offer: Offer, owner: User, as_: As, make_key: MakeKey) -> None:
    """The node is its user's own; what concerns its owner is not the application's affair."""
    _, client = make_key()
    [mine] = as_(owner).get("/api/v1/nodes/").json()["results"]
    [seen] = client.get("/api/v1/nodes/").json()["results"]
    assert mine["private"] is not None
    assert (seen["id"], seen["mine"], seen["private"]) == (mine["id"], False, None)


# -- from plan to deployment ------------------------------------------------------------------------------


def test_it_plans_and_applies_with_a_key(offer: Offer, budget: Budget, make_key: MakeKey) -> None:
    policy, client = make_key(providers=[offer.node_id])
    plan = client.post("/api/v1/plans/", {"source": COMPOSE, "name": "hello"}, format="json").json()
    assert client.post(f"/api/v1/plans/{plan['id']}/apply/").status_code == 201
    assert Deployment.objects.get().key == policy.token


def test_it_tells_place_and_remedy_of_what_a_key_forbids(
    offer: Offer, budget: Budget, make_key: MakeKey
) -> None:
    _, client = make_key(images=[DIGEST])
    source = "name: hello\nservices:\n  web:\n    image: hive/hello:1\n"
    refused = client.post("/api/v1/plans/", {"source": source}, format="json")
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert (error["code"], error["place"]) == ("key_forbids", "services.web.image")
    assert error["problems"][0]["line"] == 4
    assert "write hive/hello@sha256:..." in error["message"]


# -- how often it asks ------------------------------------------------------------------------------------


def test_it_may_ask_so_often_a_minute_and_is_told_when_again(make_key: MakeKey) -> None:
    _, client = make_key(requests_per_minute=3)
    _, other = make_key("other", requests_per_minute=3)
    _, free = make_key("free")
    assert [client.get("/api/v1/me/").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/api/v1/me/")
    assert refused.json()["error"]["code"] == "throttled"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert other.get("/api/v1/me/").status_code == 200
    assert {free.get("/api/v1/me/").status_code for _ in range(5)} == {200}


@pytest.mark.usefixtures("stack")
def test_room_comes_back_as_the_minute_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is the test's own: a request leaves it, and another one fits."""
    monkeypatch.setattr("apps.market.keys.pace.MINUTE_MS", 1_000_000_000)
    assert [wait_ms(-1, most=2) == 0 for _ in range(3)] == [True, True, False]
    monkeypatch.setattr("apps.market.keys.pace.MINUTE_MS", 0)
    assert wait_ms(-1, most=2) == 0


def test_without_redis_a_key_may_still_ask(make_key: MakeKey, monkeypatch: pytest.MonkeyPatch) -> None:
    _, client = make_key(requests_per_minute=1)
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    assert {client.get("/api/v1/me/").status_code for _ in range(3)} == {200}
