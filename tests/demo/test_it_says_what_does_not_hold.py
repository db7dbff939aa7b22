"""The receipt's own judgement: exit status 0 only if all of it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hive_portal.demo.receipt import Receipt

GOOD = Receipt(
    deployment={"name": "hello"},
    replicas=[{"node": node} for node in ("0x1", "0x2", "0x3")],
    edge={"requests": 300, "failed": 0, "replicas_seen": ["web-1", "web-2", "web-3"]},
    failover={"requests": 300, "failed": 0, "replaced_in_s": 4.2},
    usage={"records": 9},
    invoice={"number": "HIVE-2026-000001", "total_glm": "0.1"},
    payments=[{"state": "final"}],
    reconciliation={"matched": 2, "unmatched": 0},
    ledger={"sum": "0", "differences": []},
)


def test_it_is_content_with_a_good_receipt() -> None:
    assert GOOD.complaints() == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"replicas": [{"node": "0x1"}] * 3}, "no three distinct nodes"),
        ({"edge": GOOD.edge | {"failed": 1}}, "requests at the edge failed"),
        ({"edge": GOOD.edge | {"replicas_seen": ["web-1"]}}, "not every replica was seen at the edge"),
        ({"failover": GOOD.failover | {"failed": 2}}, "requests failed while a Bee died"),
        ({"failover": {"failed": 0}}, "the killed replica was not replaced"),
        ({"invoice": {"total_glm": "0"}}, "the invoice is empty"),
        ({"payments": []}, "no payment was made"),
        ({"payments": [{"state": "sent"}]}, "a payment is not final"),
        ({"reconciliation": {"unmatched": 1}}, "the chain and the books differ"),
        ({"ledger": GOOD.ledger | {"sum": "0.1"}}, "the ledger does not sum to zero"),
        ({"ledger": GOOD.ledger | {"differences": ["1 GLM"]}}, "the books can't be proven"),
    ],
)
def test_it_names_what_is_wrong(change: dict[str, Any], complaint: str) -> None:
    assert replace(GOOD, **change).complaints() == [complaint]
