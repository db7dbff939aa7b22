"""The one chain node dies at any question of a payout, before or after it has passed it on: paid once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.billing.chain.watcher import watch_chain
from apps.billing.ledger.posting import check_ledger, ledger_sum
from apps.billing.treasury.settlement import pay_providers
from tests.billing.faulty_nodes import Fault, FaultyNode, honest
from tests.billing.simulation.walking import undone
from tests.billing.treasury_of_tests import NOTHING, filled_budget, owed, settled

__all__ = ["owed"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("chain"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def budget(team, anvil):
    return filled_budget(team, anvil)


def test_it_pays_once_though_the_node_dies_at_any_question(anvil, owed, node, settings):
    faulty = FaultyNode(anvil.url)
    settings.HIVE_RPC_URL = faulty.url
    with undone(anvil):
        pay_and_watch()
        questions = list(faulty.asked)
    assert "eth_sendRawTransaction" in questions
    for number, question in enumerate(questions, start=1):
        for is_passed_on in (False, True):
            with undone(anvil):
                faulty.fault = dies_at(number, is_passed_on=is_passed_on)
                pay_and_watch()
                faulty.fault = honest
                pay_providers(minimum_glm=NOTHING)
                assert settled(anvil, node), question
                assert (check_ledger(), ledger_sum()) == ([], 0), question
    faulty.die()


def pay_and_watch() -> None:
    pay_providers(minimum_glm=NOTHING)
    watch_chain()


def dies_at(number: int, *, is_passed_on: bool) -> Fault:
    """At so many questions from now, and answers none after it."""
    left = number

    def fault(request: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left > 0:
            return ask(request)
        if left == 0 and is_passed_on:
            ask(request)
        raise ConnectionAbortedError  # the connection ends without an answer

    return fault
