"""Whatever a chain takes back, up to what is final: the books end as the chain does. Stories on a real anvil.

Deposits of a team and of a stranger, and payouts, are mined, taken back at any depth, mined again elsewhere,
overtaken by others of the same nonce, or gone for good. Blocks are made when the story says so: a story told
twice is the same.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from eth_account import Account
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.billing.chain.calls import Gas, transfer_call
from apps.billing.chain.client import chain
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import (
    balance,
    check_ledger,
    house_account,
    ledger_sum,
    payable_account,
    transfer,
)
from apps.billing.models import AccountKind, ChainTransfer, Payment, Transaction, TransferKind
from apps.billing.treasury.settlement import pay_providers
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.proving import register_wallet
from hive_portal.stack.errors import StackError
from tests.billing.chain_of_tests import FINALITY, Anvil

pytestmark = [pytest.mark.django_db, pytest.mark.needs("chain")]

WALLETS = {"team": Account.from_key("0x" + "77" * 32), "stranger": Account.from_key("0x" + "78" * 32)}

AMOUNTS = st.decimals("0.000000000000000001", "9", places=18)
STEPS = st.one_of(
    st.tuples(st.just("deposit"), st.sampled_from(sorted(WALLETS)), AMOUNTS),
    st.tuples(st.just("pay"), AMOUNTS),
    st.tuples(st.sampled_from(["mine", "mine", "mine_unseen"]), st.integers(1, 3)),
    st.tuples(st.just("reorganise"), st.integers(1, FINALITY - 1), st.booleans()),
    st.tuples(st.just("watch")),
)


class Story:
    """What happens, step by step. Attributes: raws (every deposit as it was signed), earned (by the node)."""

    def __init__(self, anvil: Anvil, purse: Any, node: Any) -> None:
        self.anvil, self.purse, self.node = anvil, purse, node
        self.raws: list[str] = []
        self.earned = Decimal(0)
        for wallet in WALLETS.values():
            anvil.glm.fund_gas(wallet.address)
            anvil.glm.deposit(wallet, wallet.address, Decimal(1000))
        anvil.ask("evm_setAutomine", False)
        anvil.mine(FINALITY)

    def deposit(self, who: str, amount: Decimal) -> None:
        wallet = WALLETS[who]
        nonce = chain().nonce(wallet.address)
        call = transfer_call(self.anvil.token, recipient=treasury_address(), amount_glm=amount)
        gas = Gas(limit=100_000, max_fee_wei=10**11, tip_wei=10**9)
        signed = wallet.sign_transaction(chain().unsigned(call, nonce=nonce, gas=gas))
        self.raws.append("0x" + bytes(signed.raw_transaction).hex())
        self.anvil.ask("eth_sendRawTransaction", self.raws[-1])
        self.anvil.mine(1)

    def pay(self, amount: Decimal) -> None:
        """The node earns it of what the team has, and is paid at once."""
        if self.purse.available_glm < amount:
            return
        for debit, credit, kind in (
            (self.purse.available, self.purse.held, TransferKind.HOLD),
            (self.purse.held, payable_account(self.node), TransferKind.USAGE),
        ):
            transfer(
                key=f"{kind}:{self.node.pk}:{self.earned}:{amount}",
                kind=kind,
                debit=debit,
                credit=credit,
                amount_glm=amount,
            )
        self.earned += amount
        pay_providers(minimum_glm=Decimal(0))
        self.anvil.mine(1)

    def mine(self, blocks: int) -> None:
        self.anvil.grow(blocks)

    def mine_unseen(self, blocks: int) -> None:
        self.anvil.mine(blocks)

    def reorganise(self, depth: int, again: bool) -> None:
        """So many blocks are replaced by empty ones; what was in them comes `again`, or does not."""
        self.anvil.reorganise(depth)
        for raw in self.raws if again else ():
            with suppress(StackError):  # it is still there, or another has its nonce
                self.anvil.ask("eth_sendRawTransaction", raw)
        self.anvil.mine(1)

    def watch(self) -> None:
        watch_chain()

    def end(self) -> None:
        """Time passes: whatever is still to be sent is sent again, and all of it becomes final."""
        for _ in range(3):
            Transaction.objects.filter(state__in=["signed", "sent"]).update(retry_at=timezone.now())
            watch_chain()
            pay_providers(minimum_glm=Decimal(0))
            self.anvil.mine(FINALITY)
            watch_chain()
        self.anvil.grow(1)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(
    steps=[
        ("deposit", "team", Decimal(3)),
        ("mine", 1),
        ("pay", Decimal(2)),
        ("mine", 1),
        ("reorganise", 4, False),
        ("watch",),
    ]
)
@example(
    steps=[
        ("deposit", "team", Decimal(3)),
        ("mine", 2),
        ("pay", Decimal(2)),
        ("mine", 2),
        ("reorganise", 2, True),
        ("mine", 1),
    ]
)
@given(steps=st.lists(STEPS, min_size=3, max_size=14))
def test_the_books_end_as_the_chain_does(
    anvil: Anvil, team: Any, node: Any, steps: list[tuple[Any, ...]]
) -> None:
    # No snapshot to revert to: after some dozens of reorganisations and reverts anvil forgets states.
    anvil.begin_anew()
    with transaction.atomic():
        story = Story(anvil, register_wallet(team, WALLETS["team"].address).budget, node)
        for name, *arguments in steps:
            getattr(story, name)(*arguments)
        story.end()
        hold_against_the_chain(story)
        transaction.set_rollback(True)


def hold_against_the_chain(story: Story) -> None:
    anvil, purse = story.anvil, story.purse
    treasury = treasury_address()
    events = chain().transfers_of(treasury, first=0, last=chain().height())
    live = ChainTransfer.objects.exclude(state="reverted")
    assert {(each.tx_hash, each.log_index, each.block_hash) for each in live} == {
        (each.tx_hash, each.log_index, each.block_hash) for each in events
    }
    assert set(live.values_list("state", flat=True)) <= {"final"}
    came = sum((each.amount_glm for each in events if each.recipient == treasury), Decimal(0))
    suspense = balance(house_account(AccountKind.SUSPENSE))
    assert purse.available_glm + purse.held_glm + suspense == came - story.earned
    paid = sum(Payment.objects.filter(state="final").values_list("amount", flat=True), Decimal(0))
    owed = balance(payable_account(story.node))
    assert paid + owed + balance(house_account(AccountKind.IN_FLIGHT)) == story.earned
    assert anvil.glm_of(story.node.pk) == paid, "paid as often as the ledger says"
    assert (ledger_sum(), check_ledger()) == (0, [])
    assert reconcile().agrees
