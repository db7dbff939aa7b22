"""A treasury on a real anvil that owes: filled by a real deposit, so that chain and ledger agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import F
from django.utils import timezone
from eth_account import Account

from apps.billing.chain.client import Chain, ChainUnreachable
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import balance, house_account, payable_account, transfer
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import (
    AccountKind,
    Budget,
    DebitNote,
    DebitNoteState,
    Hold,
    Payment,
    PaymentState,
    Transaction,
)
from apps.billing.providers.debit_notes import review_debit_notes, store_debit_notes
from apps.billing.treasury import paying
from apps.billing.wallets.proving import register_wallet
from apps.nodes.models import Node
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor
from apps.teams.models import Team, User
from tests.billing.chain_of_tests import FINALITY, Anvil

OWED = Decimal("0.000226")
WALLET = Account.from_key("0x" + "77" * 32)
NOTHING = Decimal(0)


class Killed(BaseException):
    """What a SIGKILL would be, if it could be caught by a test."""


def kill_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """Of a single payment: before or after the database's transaction, or right after it was sent."""

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    def send_and_die(chain: Chain, raw: str) -> None:
        send(chain, raw)
        raise Killed

    send = Chain.send
    match step:
        case "before the transaction":
            patch.setattr(paying, "transfer", die)  # the payment's row is written, its money not moved
        case "after the transaction":
            patch.setattr(Chain, "send", die)
        case "after sending":
            patch.setattr(Chain, "send", send_and_die)


def filled_budget(team: Team, anvil: Anvil) -> Budget:
    """By a real deposit of 10 GLM."""
    wallet = register_wallet(team, WALLET.address)
    anvil.glm.deposit(WALLET, queen_address(), Decimal(10))
    anvil.grow(FINALITY)
    return wallet.budget


@pytest.fixture
def rated(meter: Any, node: Node) -> Any:
    """One report, rated at 0.000226 GLM."""
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    return meter


@pytest.fixture
def owed(rated: Any, node: Node) -> Decimal:
    """The node has earned 0.000226 GLM, and its debit note is accepted."""
    take_in(node, rated.note("0.000226"))
    return OWED


def take_in(node: Node, *notes: Any) -> list[DebitNote]:
    """Debit notes of the node, stored and reviewed; all that there are by then."""
    store_debit_notes(node_id=node.id, notes=list(notes))
    review_debit_notes()
    return list(DebitNote.objects.order_by("sequence"))


def owe(hold: Hold, node: Node, amount: str | Decimal, *, name: str = "owe") -> None:
    """As if usage of this amount had been posted to the node; once by this name."""
    transfer(
        key=f"{name}:{node.id}",
        kind="usage",
        debit=hold.budget.held,
        credit=payable_account(node),
        amount_glm=Decimal(amount),
    )
    Hold.objects.filter(pk=hold.pk).update(posted=F("posted") + Decimal(amount))


def operator(name: str) -> Actor:
    """One who may approve large payments."""
    user = User.objects.create_user(username=name, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="approve_payment"))
    return Actor.user(user)


def look_again() -> None:
    """Let the watcher look at all that waits."""
    Transaction.objects.update(retry_at=timezone.now())
    watch_chain()


def settled(anvil: Anvil, node: Node) -> Payment:
    """Let the chain and the watcher finish, then see that the node was paid exactly once."""
    for _ in range(2):
        look_again()
        anvil.grow(FINALITY)
    [payment] = Payment.objects.exclude(state=PaymentState.FAILED)
    assert payment.state == PaymentState.FINAL
    assert anvil.glm_of(node.id) == OWED
    assert balance(payable_account(node)) == balance(house_account(AccountKind.IN_FLIGHT)) == 0
    assert DebitNote.objects.get().state == DebitNoteState.PAID
    result = reconcile()
    assert result.agrees
    assert (result.matched, result.chain_balance_glm) == (2, 10 - OWED)
    return payment


def unreachable(chain: Chain, raw: str) -> None:
    raise ChainUnreachable("gone")
