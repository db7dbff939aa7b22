"""Two workers who settle at once, and one killed after any step: each pays what is payable still, once.

A settlement above HIVE_APPROVAL_ABOVE_GLM waits for operators as a whole: whoever else settles meanwhile, or
after it was killed, finds no rest of it that is small enough to go out unasked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.billing.chain.client import _chain
from apps.billing.ledger.posting import balance, check_ledger, house_account, payable_account
from apps.billing.models import AccountKind, Payment, PaymentState, Transaction
from apps.billing.treasury import settlement
from apps.billing.treasury.approving import approve_payment
from apps.billing.treasury.checking import check_payments
from apps.billing.treasury.settlement import pay_providers
from tests.billing.faulty_nodes import Fault, FaultyNode, honest
from tests.billing.simulation.killing import in_child
from tests.billing.simulation.walking import undone
from tests.billing.treasury_of_tests import NOTHING, filled_budget, look_again, operator, owe

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True), pytest.mark.needs("chain")]

EACH = Decimal("0.01")
NODES = 5
PER_BATCH = 2


@pytest.fixture
def budget(team: Any, anvil: Any) -> Any:
    return filled_budget(team, anvil)


@pytest.fixture
def nodes(anvil: Any, hold: Any, make_node: Any, settings: Any) -> list[Any]:
    """Five that are owed 0.01 GLM each, paid by two in a transaction."""
    anvil.batches(settings)
    settings.HIVE_PAYOUTS_PER_BATCH = PER_BATCH
    made = [make_node() for _ in range(NODES)]
    for node in made:
        owe(hold, node, EACH)
    return made


@pytest.fixture(params=[None, 3, 4])
def limit(request: Any, settings: Any, nodes: list[Any]) -> Iterator[Decimal | None]:
    """Five are above it, and what a first batch leaves of them, three, is not."""
    settings.HIVE_APPROVAL_ABOVE_GLM = request.param and request.param * EACH
    yield settings.HIVE_APPROVAL_ABOVE_GLM


def settle() -> int:
    return len(pay_providers(minimum_glm=NOTHING))


def side_by_side(work: Callable[[], int]) -> list[int]:
    """In two forks that begin at once; what each returned."""
    connection.close()
    gate, hand = os.pipe()
    forks = [_forked(work, gate, hand) for _ in range(2)]
    os.close(gate)
    os.close(hand)  # the last who holds it open: both go
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in forks]


def _forked(work: Callable[[], int], gate: int, hand: int) -> int:
    if (pid := os.fork()) != 0:
        return pid
    try:
        os.close(hand)
        os.read(gate, 1)
        _chain.cache_clear()  # a connection of its own to the chain
        os._exit(work())
    except BaseException:
        os._exit(99)


def it_is_whole(anvil: Any, nodes: list[Any], limit: Decimal | None) -> None:
    """All are paid once; above the limit, all wait and nothing is signed."""
    payments = Payment.objects.exclude(state=PaymentState.FAILED)
    assert sorted(payment.node_id for payment in payments) == sorted(node.id for node in nodes)
    assert {balance(payable_account(node)) for node in nodes} == {NOTHING}
    assert balance(house_account(AccountKind.IN_FLIGHT)) == NODES * EACH
    if limit is None:
        look_again()
        anvil.grow(10)
        assert [anvil.glm_of(node.id) for node in nodes] == [EACH] * NODES
    else:
        assert {payment.state for payment in payments} == {PaymentState.WAITING}
        assert not Transaction.objects.exists()
    assert check_ledger() + check_payments() == []


def test_two_workers_pay_each_once_and_ask_for_all(
    anvil: Any, nodes: list[Any], limit: Decimal | None
) -> None:
    assert sorted(side_by_side(settle)) == [0, NODES]
    it_is_whole(anvil, nodes, limit)


def test_it_is_whole_wherever_it_was_killed(
    anvil: Any, nodes: list[Any], limit: Decimal | None, tmp_path: Path
) -> None:
    """After each step that leaves a trace; the next one goes on."""
    with undone(anvil):
        steps = in_child(settle, log=tmp_path / "steps")
        it_is_whole(anvil, nodes, limit)
    killed_after = [
        at for at, what in enumerate(steps, start=1) if what in ("commit", "eth_sendRawTransaction")
    ]
    assert len(killed_after) == (1 if limit else 6 + 3)
    for step in killed_after:
        with undone(anvil):
            in_child(settle, log=tmp_path / "steps", dies_after=step)
            in_child(settle, log=tmp_path / "steps")
            it_is_whole(anvil, nodes, limit)


def test_it_pays_no_more_than_it_summed(
    anvil: Any, nodes: list[Any], hold: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is earned between the sum and the payments would take them above the limit unasked."""
    settings.HIVE_APPROVAL_ABOVE_GLM = NODES * EACH
    push_one = settlement.push_one

    def earn_more(*args: Any, **kwargs: Any) -> bool:
        for node in nodes:
            owe(hold, node, EACH, name="meanwhile")
        return push_one(*args, **kwargs)

    monkeypatch.setattr(settlement, "push_one", earn_more)
    assert sum(payment.amount for payment in pay_providers(minimum_glm=NOTHING)) == NODES * EACH
    assert {balance(payable_account(node)) for node in nodes} == {EACH}


def test_a_node_that_hiccups_leaves_no_small_rest(anvil: Any, nodes: list[Any], settings: Any) -> None:
    """It would not price what goes to one recipient: all wait, and nothing is left for the next time."""
    settings.HIVE_APPROVAL_ABOVE_GLM = 4 * EACH
    hiccups = FaultyNode(anvil.url, refuses_to_pay(nodes[0].id))
    settings.HIVE_RPC_URL = hiccups.url
    try:
        settle()
        hiccups.fault = honest
        settle()
        it_is_whole(anvil, nodes, settings.HIVE_APPROVAL_ABOVE_GLM)
    finally:
        hiccups.die()


def refuses_to_pay(recipient: str) -> Fault:
    def fault(request: dict[str, Any], ask: Any) -> dict[str, Any]:
        if request["method"] == "eth_estimateGas" and recipient[2:] in request["params"][0]["data"]:
            error = {"code": -32005, "message": "limit exceeded"}
            return {"jsonrpc": "2.0", "id": request["id"], "error": error}
        return ask(request)

    return fault


def test_what_waits_counts_until_operators_have_answered(
    anvil: Any, nodes: list[Any], hold: Any, make_node: Any, settings: Any
) -> None:
    """Then the next small one goes out unasked again."""
    settings.HIVE_APPROVAL_ABOVE_GLM = 4 * EACH
    assert settle() == NODES
    owe(hold, make_node(), EACH)
    assert settle() == 1
    waiting = Payment.objects.filter(state=PaymentState.WAITING)
    assert waiting.count() == NODES + 1
    ada, bob = operator("ada"), operator("bob")
    for payment in list(waiting):
        for actor in (ada, bob):
            approve_payment(payment, actor=actor, reason="seen")
    owe(hold, make_node(), EACH)
    [small] = pay_providers(minimum_glm=NOTHING)
    assert (small.state, small.approvals_needed) == (PaymentState.SENT, 0)
