"""Whom invoices are made out to, over the API."""

from decimal import Decimal
from typing import Any

import pytest

from apps.billing.models import BillingDetails
from apps.teams.models import Team, User
from tests.api.conftest import As

pytestmark = pytest.mark.django_db

HERE = "/api/v1/billing-details/bakery/"


def test_it_tells_of_a_team_that_said_nothing(team: Team, owner: User, as_: As, settings: Any) -> None:
    settings.HIVE_TAXES = [("VAT", Decimal("19.0"))]
    [told] = as_(owner).get("/api/v1/billing-details/").json()["results"]
    assert told == as_(owner).get(HERE).json()
    assert (told["team"], told["name"], told["taxes"]) == ("bakery", "", [{"name": "VAT", "percent": "19"}])
    assert not BillingDetails.objects.exists()


def test_an_owner_changes_some(team: Team, owner: User, as_: As) -> None:
    client = as_(owner)
    client.patch(HERE, {"name": "Brot GmbH", "tax_id": "DE1"}, format="json")
    told = client.patch(HERE, {"email": "books@example.org"}, format="json").json()
    assert (told["name"], told["tax_id"], told["email"]) == ("Brot GmbH", "DE1", "books@example.org")


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"taxes": []}, "unknown field"),
        ({"email": "nobody"}, "valid email"),
        ({"name": "n" * 121}, "120"),
        ({"address": "\n".join("abcdefghij")}, "at most 8 lines"),
        ({"name": {"a": 1}}, "valid string"),
    ],
)
def test_it_names_what_is_wrong(
    team: Team, owner: User, as_: As, said: dict[str, object], because: str
) -> None:
    answer = as_(owner).patch(HERE, said, format="json")
    assert (answer.status_code, because in str(answer.json())) == (400, True)
    assert BillingDetails.objects.filter(taxes__isnull=False).count() == 0


def test_only_owners_change_them(team: Team, teammate: User, as_: As) -> None:
    answer = as_(teammate).patch(HERE, {"name": "Mine"}, format="json")
    assert answer.status_code == 403
    assert as_(teammate).get(HERE).status_code == 200
