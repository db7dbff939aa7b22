"""`hive wallet withdraw`, `withdrawals`, `confirm` and `cancel`."""

import json
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page

AT = "2026-01-01T00:00:00Z"
ID = "8b6b3c3e-0000-4000-8000-000000000001"


def withdrawal(**fields: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "team": "bakery",
        "recipient": "0xabc",
        "amount_glm": "2.5",
        "state": "requested",
        "reason": "waits",
        "state_since": AT,
        "deadline_at": AT,
        "tx_hash": None,
        "created_at": AT,
    } | fields


def test_it_asks_for_some(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", "withdrawals/", (201, withdrawal()))
    _, row = hive("wallet", "withdraw", "2.5", "--to", "0xabc").stdout.splitlines()
    assert row.split()[:4] == [ID, "requested", "2.5", "0xabc"]
    assert double.asked[-1][2] == {"amount_glm": "2.5", "recipient": "0xabc"}


def test_it_lists_them(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "withdrawals/", page(withdrawal(state="paid", tx_hash="0xhash")))
    [listed] = json.loads(hive("wallet", "withdrawals", "-o", "json").stdout)
    assert (listed["state"], listed["tx_hash"]) == ("paid", "0xhash")


@pytest.mark.parametrize("verb, state", [("confirm", "confirmed"), ("cancel", "cancelled")])
def test_it_confirms_and_cancels(hive: Run, double: DoubleOfTheHive, verb: str, state: str) -> None:
    double.answers("POST", f"withdrawals/{ID}/{verb}/", (200, withdrawal(state=state)))
    assert state in hive("wallet", verb, ID).stdout
