"""Tables for people, JSON for programs: every digit in the one, the sensible ones in the other."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hive_client.output import clean, glm, when
from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, deployment, page

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("0.012345678901234567", "0.0123457"),
        ("12.500000000000000000", "12.5"),
        ("1000000", "1000000"),
        ("123456789.5", "123457000"),
    ],
)
def test_it_trims_glm(amount: str, text: str) -> None:
    assert glm(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("ahead_s", "text"),
    [(8, "in 8 s"), (-90, "90 s ago"), (-300, "5 min ago"), (7200, "in 2 h"), (-259_200, "3 d ago")],
)
def test_it_tells_time_from_now(ahead_s: float, text: str) -> None:
    assert when(NOW + timedelta(seconds=ahead_s), now=NOW) == text


def test_it_lets_no_control_character_through() -> None:
    assert clean("bee\x1b[31m\nevil") == "bee�[31m�evil"


def test_it_lists_deployments_in_one_line_each(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "deployments/", page(deployment()))
    head, row = hive("ps").stdout.splitlines()
    assert head.split()[:4] == ["DEPLOYMENT", "STATUS", "REPLICAS", "GLM/H"]
    assert row.split()[:5] == [
        "hello",
        "healthy",
        "3/3",
        "0.0123457",
        "http://web.hello.bakery.localhost:8080",
    ]


def test_it_writes_every_digit_as_json(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "deployments/", page(deployment(), more=True), page(deployment(name="second")))
    told = json.loads(hive("ps", "-o", "json").stdout)
    assert [row["name"] for row in told] == ["hello", "second"]
    assert told[0]["price_per_hour_glm"] == "0.012345678901234567"


def test_it_writes_an_empty_list_as_json(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "invoices/", page())
    assert json.loads(hive("invoices", "-o", "json").stdout) == []
    assert hive("invoices").stdout == ""
