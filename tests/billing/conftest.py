"""A Bee that meters: reports and notes signed with its real key, and an agreement with its money held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent import protocol, typed_data
from apps.billing.budgets.holding import place_hold
from apps.billing.ledger.posting import check_ledger, ledger_sum
from apps.billing.models import Budget, Hold
from apps.market.models import Agreement
from apps.nodes.models import Node, NodeSession
from tests.billing.chain_of_tests import anvil
from tests.billing.treasury_of_tests import owed, rated

__all__ = ["anvil", "owed", "rated"]

MINUTE_MS = 60_000


@pytest.fixture
def books_add_up(db: None) -> Iterator[None]:
    """Whatever the test did: all accounts together have nought, and each has what was booked on it."""
    yield
    assert (ledger_sum(), check_ledger()) == (0, [])


class Meter:
    """Signs one report after the other for an agreement, each a minute of running unless said otherwise."""

    def __init__(self, agreement_id: str, key: LocalAccount, start_ms: int) -> None:
        self.agreement_id, self.key, self.clock_ms = agreement_id, key, start_ms
        self.sequence, self.head = 0, typed_data.NO_HASH

    def report(self, *, key: LocalAccount | None = None, **fields: Any) -> protocol.Usage:
        """The next report of the chain; fields that are given replace what would have been."""
        given = {
            "agreement_id": self.agreement_id,
            "sequence": self.sequence + 1,
            "previous_hash": self.head,
            "started_at_ms": self.clock_ms,
            "ended_at_ms": self.clock_ms + MINUTE_MS,
            "running_ms": MINUTE_MS,
            "cpu_ms": 6_000,
            "egress_bytes": 0,
            "final": False,
        } | fields
        message = typed_data.usage(
            protocol.Usage(**given, hash="", signature=""), chain_id=settings.HIVE_CHAIN_ID
        )
        self.sequence, self.head = given["sequence"], typed_data.digest(message)
        self.clock_ms = given["ended_at_ms"]
        return protocol.Usage(**given, hash=self.head, signature=typed_data.sign(message, key or self.key))

    def note(self, amount_glm: str, *, sequence: int = 1, usage_hash: str = "", final: bool = False) -> Any:
        fields = {
            "agreement_id": self.agreement_id,
            "sequence": sequence,
            "usage_hash": usage_hash or self.head,
            "amount_glm": Decimal(amount_glm),
            "final": final,
        }
        draft = protocol.DebitNote(**fields, signature="")
        message = typed_data.debit_note(draft, chain_id=settings.HIVE_CHAIN_ID)
        return protocol.DebitNote(**fields, signature=typed_data.sign(message, self.key))


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def agreement(
    make_agreement: Callable[..., Agreement], offer: Any, bee_key: LocalAccount, now: datetime
) -> Agreement:
    """Approved an hour ago, so that there is a past to report on."""
    return make_agreement(offer, bee_key, approved_at=now - timedelta(hours=1))


@pytest.fixture
def listened(node: Node, now: datetime) -> NodeSession:
    """The Queen has heard the node for the last two hours."""
    return NodeSession.objects.create(
        node=node, opened_at=now - timedelta(hours=2), last_seen_at=now, channel="test"
    )


@pytest.fixture
def hold(agreement: Agreement, budget: Budget, now: datetime, listened: NodeSession) -> Hold:
    """1 GLM held for the agreement, for another hour."""
    placed = place_hold(
        budget=budget, reference="replica:1:1", amount_glm=Decimal(1), until=now + timedelta(hours=1)
    )
    placed.agreement = agreement
    placed.save(update_fields=["agreement"])
    return placed


@pytest.fixture
def meter(hold: Hold, agreement: Agreement, bee_key: LocalAccount) -> Meter:
    assert agreement.approved_at is not None
    return Meter(str(agreement.id), bee_key, ms(agreement.approved_at))
