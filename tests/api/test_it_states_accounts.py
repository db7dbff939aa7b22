"""A month's statement over the API: each budget's, as JSON and as files."""

from decimal import Decimal

import pytest

from apps.billing.models import Budget
from apps.teams.models import User
from tests.api.conftest import As

pytestmark = pytest.mark.django_db


def test_it_states_each_budget(budget: Budget, owner: User, as_: As) -> None:
    [told] = as_(owner).get("/api/v1/statements/").json()["results"]
    assert (told["budget"], told["name"], told["team"]) == (budget.pk, "main", "bakery")
    assert (told["opening_glm"], told["came_in_glm"], told["closing_glm"]) == ("0", "10", "10")
    [entry] = told["entries"]
    assert (entry["label"], Decimal(entry["balance_glm"])) == ("Paid in", 10)
    assert {"reference", "address", "tx_hash"} <= entry.keys()
    assert (told["is_over"], told["closing_label"][:18]) == (False, "Balance so far at ")


def test_it_goes_back_in_time(budget: Budget, owner: User, as_: As) -> None:
    told = as_(owner).get(f"/api/v1/statements/{budget.pk}/", {"month": "2024-02"}).json()
    assert (told["start"], told["end"]) == ("2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00")
    assert (told["closing_glm"], told["entries"]) == ("0", [])


@pytest.mark.parametrize(("form", "begins"), [("pdf", b"%PDF-"), ("csv", b"\xef\xbb\xbfbudget,at")])
def test_it_gives_files(budget: Budget, owner: User, as_: As, form: str, begins: bytes) -> None:
    answer = as_(owner).get(f"/api/v1/statements/{budget.pk}/{form}/", {"month": "2024-02"})
    assert answer.content.startswith(begins)
    assert "bakery-2024-02" in answer["Content-Disposition"]


def test_it_says_how_a_month_is_written(budget: Budget, owner: User, as_: As) -> None:
    answer = as_(owner).get("/api/v1/statements/", {"month": "May"})
    assert answer.status_code == 400
    assert "expected a month such as" in str(answer.json())
