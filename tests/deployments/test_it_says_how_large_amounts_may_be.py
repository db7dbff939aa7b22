"""Amounts that are too large, or none, are told as people write them, with the limit there is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.billing.ledger.posting import exact
from apps.deployments.compose.budget import BudgetWish
from apps.deployments.compose.values import price_glm
from apps.deployments.serializers import NewCapSerializer


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0E-18", "0 GLM: expected a positive"),
        ("-1.000000000000000000", "-1 GLM: expected a positive"),
        ("1E+10", "10000000000 GLM: expected a positive amount below 10^10"),
        ("1.50000000000000000010", "1.5000000000000000001 GLM: expected at most 18"),
        ("1E+999999", "1E+999999 GLM: expected"),
        ("NaN", "NaN GLM: expected"),
    ],
)
def test_the_ledger_tells_amounts_plainly(amount: str, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        exact(Decimal(amount))
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize(
    ("glm", "told"),
    [
        (0, "expected an amount of GLM above 0, got 0"),
        (10**10, "expected an amount of GLM below 10^10, got 10000000000"),
        (1234567890123456789, "expected an amount of GLM below 10^10, got 1234567890123456789"),
    ],
)
def test_a_file_tells_below_what_its_budget_is(glm: int, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        BudgetWish.model_validate(glm)
    assert told in str(refused.value)


def test_a_file_takes_whatever_the_ledger_does() -> None:
    assert BudgetWish.model_validate(10**10 - 1).glm == 10**10 - 1


def test_a_file_tells_below_what_its_prices_are() -> None:
    with pytest.raises(ValueError, match=r"expected a price below 10\^9, got 1000000000"):
        price_glm(10**9)


@pytest.mark.parametrize("amount", ["1" * 11, "1" * 19, "1" * 40, "1" * 11 + "." + "1" * 18])
def test_a_cap_tells_below_what_it_is(amount: str) -> None:
    asked = NewCapSerializer(data={"limit_glm": amount})
    assert not asked.is_valid()
    told = "Expected an amount of GLM below 10^10, with at most 18 decimals."
    assert asked.errors["limit_glm"] == [told]
