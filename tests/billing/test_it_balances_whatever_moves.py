"""Random transfers never break the sum or a guard, and the ledger agrees with a dictionary."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.billing.ledger.posting import InsufficientFunds, balance, check_ledger, ledger_sum, transfer
from apps.billing.models import Account, AccountKind, TransferKind
from apps.teams.models import Team

KINDS = [
    AccountKind.TREASURY,
    AccountKind.SUSPENSE,
    AccountKind.AVAILABLE,
    AccountKind.HELD,
    AccountKind.IN_FLIGHT,
]
amounts = st.decimals(min_value="0.000000000000000001", max_value="1000", places=18)
moves = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(KINDS), st.sampled_from(KINDS), amounts), max_size=25
)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_it_balances_whatever_moves(db, moves):
    team = Team.objects.create(slug=f"t{Team.objects.count()}", name="random")
    accounts = {kind: Account.new(kind, team=team) for kind in KINDS}
    Account.objects.bulk_create(accounts.values())
    expected = dict.fromkeys(KINDS, Decimal(0))
    done: set[int] = set()
    for key, debit, credit, amount in moves:
        if debit == credit or key in done:
            continue
        fits = not accounts[debit].is_guarded or expected[debit] >= amount
        try:
            transfer(
                key=f"{team.pk}:{key}",
                kind=TransferKind.HOLD,
                debit=accounts[debit],
                credit=accounts[credit],
                amount_glm=amount,
            )
        except InsufficientFunds as shortage:
            assert not fits
            assert (shortage.available, shortage.needed) == (expected[debit], amount)
            continue
        assert fits
        done.add(key)
        expected[debit] -= amount
        expected[credit] += amount
    assert {kind: balance(account) for kind, account in accounts.items()} == expected
    assert ledger_sum() == 0
    assert [line for line in check_ledger() if "holds add up" not in line] == []
