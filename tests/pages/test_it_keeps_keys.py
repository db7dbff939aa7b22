"""The pages of application keys: made with a form, shown once, changed and revoked by owners."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from agent.rules.signers import written
from apps.market.models import KeyPolicy
from apps.teams.models import ApiToken, AuditLine, Member, Team, User
from hive_portal.keys.forms import AllowedForm
from tests.agent.test_it_lets_in_only_what_the_owner_trusts import pem
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery

SOMEBODY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NODE, DIGEST = "0x" + "ab" * 20, "sha3-256:" + "1" * 64


def asked(**fields: Any) -> dict[str, Any]:
    return {"name": "ci", "valid_days": "30"} | fields


def test_it_makes_one_from_a_form_and_shows_it_once(team: Team, as_owner: Client) -> None:
    form = asked(
        providers=f"{NODE}\n\n{NODE.upper().replace('X', 'x')}\n",
        images=DIGEST,
        signers=f"{pem(SOMEBODY)}{written(OTHER.public_key())}",
        limit_glm="20.5",
        requests_per_minute="60",
    )
    answer = as_owner.post(f"/teams/{team.slug}/keys/new/", form)
    page, policy = answer.content.decode(), KeyPolicy.objects.get()
    assert policy.providers == [NODE]
    assert policy.images == [DIGEST]
    assert policy.signers == [written(SOMEBODY.public_key()), written(OTHER.public_key())]
    assert (policy.limit_glm, policy.limit_per_day_glm) == (Decimal("20.5"), None)
    secret = page.partition('id="secret">')[2].partition("<")[0]
    assert ApiToken.find(secret) == policy.token
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in as_owner.get(f"/teams/{team.slug}/keys/").content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"providers": "anna"}, "Providers: expected a node id"),
        ({"images": "app:1"}, "Images: expected &quot;sha256:&quot;"),
        (
            {"signers": "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----"},
            "Signers: expected a public",
        ),
        ({"limit_glm": "-1"}, "GLM in all: Ensure this value is greater than or equal to 0"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_it_says_what_is_wrong_and_keeps_what_was_typed(
    team: Team, as_owner: Client, fields: dict[str, Any], words: str
) -> None:
    answer = as_owner.post(f"/teams/{team.slug}/keys/new/", asked(limit_per_day_glm="7") | fields)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert 'value="7"' in page
    assert not KeyPolicy.objects.exists()


def test_it_changes_no_limit_by_saving_the_form_as_it_came(team: Team, owner: User, as_owner: Client) -> None:
    whole = Decimal("12345678901234567890.123456789012345678")
    policy, _ = KeyPolicy.issue(
        team=team,
        user=owner,
        name="ci",
        valid=timedelta(days=1),
        limit_glm=whole,
        limit_per_day_glm=Decimal(7),
    )
    as_it_came = AllowedForm.of(policy).initial
    as_owner.post(
        f"/keys/{policy.token_id}/change/",
        {name: "" if value is None else value for name, value in as_it_came.items()},
    )
    policy.refresh_from_db()
    assert (policy.limit_glm, policy.limit_per_day_glm) == (whole, 7)


def test_it_shows_what_a_key_may_and_has_spent(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.get(f"/keys/{scenery.key.token_id}/").content.decode()
    assert scenery.nodes[0].pk in page
    assert 'value="7.5"' in page
    assert "3.60" in page  # four leases of 0.9 GLM are held
    assert f"/deployments/{scenery.deployment.pk}/" in page
    told = as_owner.get(f"/deployments/{scenery.deployment.pk}/").content.decode()
    assert "last with the key shop" in told


def test_it_changes_a_key(scenery: Scenery, as_owner: Client) -> None:
    pk = scenery.key.token_id
    as_owner.post(f"/keys/{pk}/change/", {"images": DIGEST, "limit_glm": "1"})
    policy = KeyPolicy.objects.get(token=pk)
    assert (policy.images, policy.providers, policy.limit_glm) == ([DIGEST], [], 1)
    assert policy.requests_per_minute is None
    line = AuditLine.objects.filter(noun="keypolicy").latest("id")
    assert (line.actor, line.reason) == ("user:olga", "1 image; 1 GLM in all")


def test_it_keeps_what_was_typed_wrong_off_the_key(scenery: Scenery, as_owner: Client) -> None:
    answer = as_owner.post(f"/keys/{scenery.key.token_id}/change/", {"images": "no digest"})
    assert answer.status_code == 422
    assert "no digest" in answer.content.decode()
    assert KeyPolicy.objects.get().images == scenery.key.images


def test_it_revokes_a_key(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.post(f"/keys/{scenery.key.token_id}/revoke/", follow=True).content.decode()
    assert "revoked" in page
    assert "Revoke</button>" not in page
    assert ApiToken.objects.get(pk=scenery.key.token_id).revoked_at is not None


def test_a_developer_sees_that_there_are_keys_and_none_of_them(scenery: Scenery, teammate: User) -> None:
    assert Member.objects.get(user=teammate).may_change
    client = signed_in(teammate)
    page = client.get(f"/teams/{scenery.team.slug}/keys/").content.decode()
    assert "owner's to see and to make" in page.replace("&#x27;", "'")
    assert "shop" not in page
    assert client.get(f"/keys/{scenery.key.token_id}/").status_code == 404
    assert client.post(f"/keys/{scenery.key.token_id}/revoke/").status_code == 404


def test_operators_see_it_in_the_admin(scenery: Scenery, as_operator: Client) -> None:
    page = as_operator.get("/admin/market/keypolicy/").content.decode()
    assert "4 providers; 2 images; 1 signer; 50 GLM in all" in page
