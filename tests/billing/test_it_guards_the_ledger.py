"""The ledger attacked with plain SQL, as somebody with a database prompt would."""

import re
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.ledger.posting import (
    InsufficientFunds,
    KeyReused,
    balance,
    check_ledger,
    currencies,
    house_account,
    ledger_sum,
    post_all,
    transfer,
    undo,
)
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Account, AccountKind, Transfer, TransferKind
from apps.teams.audit import Actor, AuditLine
from tests.cast import posted_usage

pytestmark = pytest.mark.django_db

INSERT = """
    INSERT INTO billing_transfer (key, kind, debit_id, credit_id, amount, reference, at)
    VALUES ('x', 'hold', %s, %s, %s, '', now())
"""


def refused(sql: str, *parameters: object, because: str) -> None:
    with pytest.raises(DatabaseError, match=re.escape(because)), transaction.atomic():
        connection.cursor().execute(sql, parameters)
    assert ledger_sum() == 0
    assert check_ledger() == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_transfer SET amount = amount * 2",
        "UPDATE billing_transfer SET kind = 'hold'",
        "DELETE FROM billing_transfer",
    ],
)
def test_it_never_changes_a_transfer(budget, sql):
    refused(sql, because="a transfer is corrected by a counter-entry")


@pytest.mark.parametrize(
    "table", ["billing_transfer", "billing_invoice", "billing_usagerecord", "teams_auditline"]
)
def test_it_never_empties_a_kept_table(table):
    connection.cursor().execute("SET LOCAL hive.may_truncate = 'off'")
    refused(f"TRUNCATE {table} CASCADE", because="TRUNCATE of")


def test_it_never_changes_an_audit_line(team):
    AuditLine.write(team, before="", after="made", actor=Actor.queen("test"), reason="a test")
    refused("UPDATE teams_auditline SET reason = 'another'", because="the audit trail is only written on")
    refused("DELETE FROM teams_auditline", because="the audit trail is only written on")


def test_it_never_changes_an_invoice(team, agreement, now):
    posted_usage(agreement)
    draw_up_invoice(team=team, actor=Actor.queen("test"), until=now)
    refused("UPDATE billing_invoice SET total_glm = 0", because="corrected by a credit note")
    refused("DELETE FROM billing_invoice", because="corrected by a credit note")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("guarded_balance = guarded_balance + 1", "a balance is the sum of its transfers"),
        ("guarded_balance = NULL", "a balance is the sum of its transfers"),
        ("kind = 'treasury', guarded_balance = NULL", "an account keeps its id, kind and owner"),
        ("team_id = NULL", "an account keeps its id, kind and owner"),
    ],
)
def test_it_moves_balances_by_transfers_alone(budget, change, because):
    refused(f"UPDATE billing_account SET {change} WHERE kind = 'available'", because=because)


@pytest.mark.parametrize(
    ("kind", "opening", "because"),
    [
        ("available", "1", "an account starts at zero"),
        ("available", None, "account_balance_kept_for_guarded_kinds"),
        ("suspense", "0", "account_balance_kept_for_guarded_kinds"),
    ],
)
def test_it_opens_accounts_at_zero(budget, kind, opening, because):
    sql = """
        INSERT INTO billing_account (id, kind, team_id, guarded_balance, created_at)
        VALUES (gen_random_uuid(), %s, %s, %s, now())
    """
    refused(sql, kind, budget.team_id, opening, because=because)


@pytest.mark.parametrize(
    ("amount", "because"),
    [
        ("10.000000000000000001", "account_within_its_credit"),
        ("-1", "transfer_amount_positive"),
        ("0", "transfer_amount_positive"),
        ("1" + "0" * 20, "numeric field overflow"),
    ],
)
def test_it_refuses_transfers_that_can_not_be(budget, amount, because):
    refused(INSERT, budget.available_id, budget.held_id, amount, because=because)


def test_it_refuses_a_transfer_to_itself(budget):
    refused(INSERT, budget.available_id, budget.available_id, 1, because="transfer_between_two_accounts")


def test_it_keeps_a_posted_usage_record(meter, hold):
    store_usage(node_id=hold.agreement.node_id, reports=[meter.report()])
    refused("UPDATE billing_usagerecord SET cpu_ms = 1", because="is signed: it can't be changed")
    rate_usage()
    refused("UPDATE billing_usagerecord SET cost_glm = 0", because="is rated already")
    refused("DELETE FROM billing_usagerecord", because="none can be taken out")


def test_it_moves_money_once_per_key(budget):
    for _ in range(3):
        move(budget, "once", "4")
    assert (budget.available_glm, budget.held_glm) == (Decimal(6), Decimal(4))
    with pytest.raises(KeyReused, match="amount"):
        move(budget, "once", "5")


def test_it_says_what_is_missing(budget):
    with pytest.raises(InsufficientFunds, match=r"10\.5 GLM are needed, 10 GLM are available"):
        move(budget, "too much", "10.5")
    assert budget.available_glm == 10


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "1e10", "0.0000000000000000001", "9" * 19])
def test_it_refuses_amounts_it_could_not_keep(budget, amount):
    with pytest.raises(ValueError, match="expected"):
        move(budget, "odd", amount)


def test_it_leaves_accounts_that_are_not_guarded_alone(budget):
    treasury = house_account(AccountKind.TREASURY)
    assert balance(treasury) == -10
    assert Account.objects.get(pk=treasury.pk).guarded_balance is None


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "1e10", "1e-19"])
def test_it_writes_none_of_many_when_one_amount_is_wrong(budget, amount):
    move = {"kind": TransferKind.HOLD, "debit": budget.available, "credit": budget.held}
    good, bad = (
        Transfer(key="a", amount=Decimal(1), **move),
        Transfer(key="b", amount=Decimal(amount), **move),
    )
    with pytest.raises(ValueError, match="expected"):
        post_all([good, bad])
    assert not Transfer.objects.filter(key="a").exists()


def test_it_undoes_by_a_counter_entry(budget):
    done = move(budget, "first", "4")
    undone = undo(done, key="first:undone")
    assert undone.undoes == done
    assert (budget.available_glm, budget.held_glm) == (Decimal(10), Decimal(0))
    assert Transfer.objects.count() == 3


def test_it_tells_the_balance_of_any_time(budget):
    first = move(budget, "first", "4")
    move(budget, "second", "1")
    assert balance(budget.held, at=first.at) in {Decimal(4), Decimal(5)}  # the two may share an instant
    assert balance(budget.held) == 5


def test_it_finds_a_balance_that_is_wrong(budget):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # as a superuser may: no trigger fires
        cursor.execute("UPDATE billing_account SET guarded_balance = 11 WHERE kind = 'available'")
    assert ledger_sum() == 1
    assert len(check_ledger()) == 2


def move(budget, key, amount):
    return transfer(
        key=key,
        kind=TransferKind.HOLD,
        debit=budget.available,
        credit=budget.held,
        amount_glm=Decimal(amount),
    )


# -- currencies -------------------------------------------------------------------------------------------


@pytest.fixture
def coin(db):
    """The treasury and its gas in the chain's coin: 2 ETH brought in, 0.5 spent."""
    treasury, funding, gas = (
        house_account(kind, currency="ETH")
        for kind in (AccountKind.TREASURY, AccountKind.FUNDING, AccountKind.GAS)
    )
    for kind, debit, credit, amount in (
        ("funding", treasury, funding, "2"),
        ("gas", gas, treasury, "0.5"),
    ):
        transfer(key=f"t:{kind}", kind=kind, debit=debit, credit=credit, amount_glm=Decimal(amount))
    return treasury


def test_it_sums_to_zero_in_each_currency(budget, coin):
    assert currencies() == ["GLM", "ETH"]
    assert [ledger_sum(currency=each) for each in currencies()] == [0, 0]
    assert balance(coin) == Decimal("-1.5")
    assert balance(house_account(AccountKind.TREASURY)) == -10
    assert check_ledger() == []


@pytest.mark.parametrize("sides", ["debit", "credit"])
def test_it_moves_nothing_from_one_currency_to_another(budget, coin, sides):
    other = house_account(AccountKind.FEES)
    debit, credit = (coin, other) if sides == "debit" else (other, coin)
    refused(INSERT, debit.pk, credit.pk, 1, because="between two accounts of one currency")


def test_it_looks_at_each_of_many_transfers(budget, coin):
    good, bad = (
        Transfer(key=key, kind="hold", debit=budget.available, credit=credit, amount=Decimal(1))
        for key, credit in (("a", budget.held), ("b", coin))
    )
    with pytest.raises(DatabaseError, match="one currency"), transaction.atomic():
        Transfer.objects.bulk_create([good, bad])
    assert check_ledger() == []


def test_it_keeps_coins_of_two_chains_apart(coin):
    other = house_account(AccountKind.TREASURY, currency="POL")
    refused(INSERT, coin.pk, other.pk, 1, because="between two accounts of one currency")


@pytest.mark.parametrize(
    ("kind", "currency", "because"),
    [
        ("gas", "GLM", "account_kind_has_its_currency"),
        ("fees", "ETH", "account_kind_has_its_currency"),
        ("gas", "e", "account_currency_is_a_symbol"),
        ("gas", "E H", "account_currency_is_a_symbol"),
        ("treasury", "ETH", "account_one_of_a_kind_of_the_house"),
    ],
)
def test_it_opens_accounts_in_their_currency(coin, kind, currency, because):
    sql = """
        INSERT INTO billing_account (id, kind, currency, created_at) VALUES (gen_random_uuid(), %s, %s, now())
    """
    refused(sql, kind, currency, because=because)


def test_it_keeps_what_an_account_is_kept_in(coin):
    refused("UPDATE billing_account SET currency = 'POL'", because="an account keeps its currency")
