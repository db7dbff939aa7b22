"""The receipt: what the demo did, in figures that a script can check."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Receipt:
    """Amounts are GLM as decimal text, spans seconds. Filled step by step."""

    deployment: dict[str, Any] = field(default_factory=dict)
    replicas: list[dict[str, Any]] = field(default_factory=list)
    edge: dict[str, Any] = field(default_factory=dict)
    failover: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    invoice: dict[str, Any] = field(default_factory=dict)
    payments: list[dict[str, Any]] = field(default_factory=list)
    reconciliation: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)

    def complaints(self) -> list[str]:
        """What does not hold, a sentence each; empty when all of it does."""
        nodes = {replica["node"] for replica in self.replicas}
        wrong = {
            "no three distinct nodes": len(nodes) < 3,
            "requests at the edge failed": self.edge.get("failed") != 0,
            "not every replica was seen at the edge": len(self.edge.get("replicas_seen", [])) < 3,
            "requests failed while a Bee died": self.failover.get("failed") != 0,
            "the killed replica was not replaced": not self.failover.get("replaced_in_s"),
            "the invoice is empty": float(self.invoice.get("total_glm", 0)) <= 0,
            "no payment was made": not self.payments,
            "a payment is not final": any(payment["state"] != "final" for payment in self.payments),
            "the chain and the books differ": self.reconciliation.get("unmatched") != 0,
            "the ledger does not sum to zero": self.ledger.get("sum") != "0",
            "the books can't be proven": self.ledger.get("differences") != [],
        }
        return [complaint for complaint, holds in wrong.items() if holds]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self) | {"complaints": self.complaints()}, indent=2) + "\n")
