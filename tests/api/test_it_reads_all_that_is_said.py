"""Verbs that move money take nothing that they do not read, and only null takes a limit away."""

from __future__ import annotations

from typing import Any

import pytest

from apps.billing.models import Withdrawal
from apps.deployments.models import Deployment
from apps.market.models import KeyPolicy
from apps.teams.models import User
from tests.api.addresses import Address, addresses
from tests.api.conftest import As

MOVING = [
    address
    for address in addresses()
    if address.method == "post"
    and address.noun in {"withdrawal", "dispute", "wallet", "invoice", "plan", "token"}
] + [address for address in addresses() if address.name.split("-")[-1] in {"stop", "start", "scale"}]
LIMITS = ["limit_glm", "limit_per_day_glm", "limit_per_hour_glm"]
OF_OPERATORS = {"api-dispute-answer", "api-dispute-decide"}


@pytest.mark.parametrize("address", MOVING, ids=str)
def test_a_verb_refuses_what_it_does_not_read(
    address: Address, theirs: dict[str, Any], owner: User, as_: As
) -> None:
    if address.name in OF_OPERATORS:
        owner.is_superuser = owner.is_staff = True
        owner.save()
    url = address.url(theirs.get(address.noun, ""))
    refused = as_(owner).post(url, {"signature_": "0x00"}, format="json")
    assert refused.status_code == 400, refused.content
    assert 'unknown field "signature_"' in refused.json()["error"]["message"]
    assert Withdrawal.objects.get().state == "requested"


def test_a_form_that_says_too_much_pays_nothing(theirs: dict[str, Any], owner: User, as_: As) -> None:
    url = f"/api/v1/withdrawals/{theirs['withdrawal']}/confirm/"
    for said, form in (({"signature": "0x00"}, "multipart"), (["0x00"], "json")):
        assert as_(owner).post(url, said, format=form).status_code == 400


def test_an_empty_box_takes_no_cap_away(deployment: Deployment, owner: User, as_: As) -> None:
    client, url = as_(owner), "/api/v1/deployments/hello/budget/"
    client.patch(url, {"limit_glm": "50"}, format="json")
    for form in ("json", "multipart"):
        refused = client.patch(url, {"limit_glm": ""}, format=form)
        assert (refused.status_code, refused.json()["error"]["place"]) == (400, "limit_glm")
    assert client.get("/api/v1/deployments/hello/").json()["cap"]["limit_glm"] == "50"


@pytest.mark.parametrize("limit", LIMITS)
def test_a_key_is_limited_below_what_the_ledger_can_hold(limit: str, owner: User, as_: As) -> None:
    client = as_(owner)
    most = "9999999999.999999999999999999"
    for beyond in ("9999999999999999999", "10000000000", "", " ", "NaN"):
        refused = client.post("/api/v1/keys/", {"name": "shop", limit: beyond}, format="json")
        assert (refused.status_code, refused.json()["error"]["place"]) == (400, limit), beyond
    made = client.post("/api/v1/keys/", {"name": "shop", limit: most}, format="json").json()
    assert made[limit] == most
    assert client.patch(f"/api/v1/keys/{made['id']}/", {limit: ""}, format="json").status_code == 400
    assert str(getattr(KeyPolicy.objects.get(), limit)) == most
    assert client.patch(f"/api/v1/keys/{made['id']}/", {limit: None}, format="json").json()[limit] is None
