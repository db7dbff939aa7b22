"""The hourly proof on a real anvil, and against a ledger that somebody has bent."""

from decimal import Decimal

import pytest
from django.db import connection
from eth_account import Account

from apps.billing.chain.proof import latest_proof, prove_books
from apps.billing.ledger.instant import one_instant
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.wallets.proving import register_wallet
from apps.nodes.queen import queen_address
from tests.billing.chain_of_tests import FINALITY

WALLET = Account.from_key("0x" + "77" * 32)


@pytest.fixture
def deposited(team, anvil):
    """2.5 GLM came in on the chain."""
    wallet = register_wallet(team, WALLET.address)
    anvil.glm.deposit(WALLET, queen_address(), Decimal("2.5"))
    anvil.grow(FINALITY)
    return wallet.budget


def told():
    proof = latest_proof()
    return proof.after, proof.reason


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_it_proves_books_that_are_right(deposited):
    assert prove_books() == []
    assert told() == ("proven", "ledger and chain agree on 2.5 GLM")


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_it_tells_what_the_chain_says_otherwise(deposited, caplog):
    invent(deposited)
    [difference] = prove_books()
    assert difference == (
        "the treasury has 2.5 GLM on the chain, 3.5 in the ledger, 0 are on their way: -1 can't be explained"
    )
    assert told() == ("different", difference)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert difference in caplog.text


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_it_says_that_it_could_not_ask_the_chain(deposited, anvil, caplog):
    anvil.stop()
    assert prove_books() == []
    after, reason = told()
    assert (after, reason.startswith("the chain can't be asked: ")) == ("unproven", True)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.django_db
def test_it_proves_the_ledger_alone_where_there_is_no_token(budget, settings):
    settings.HIVE_GLM_TOKEN = ""
    assert prove_books() == []
    assert told() == ("proven", "the ledger adds up")


@pytest.mark.django_db
def test_it_tells_what_does_not_add_up(budget, settings):
    settings.HIVE_GLM_TOKEN = ""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # as a superuser may: no trigger fires
        cursor.execute("UPDATE billing_account SET guarded_balance = 11 WHERE kind = 'available'")
    assert len(prove_books()) == 2
    after, reason = told()
    assert (after, "its balance says 11" in reason) == ("different", True)


@pytest.mark.django_db(transaction=True)
def test_it_reads_all_of_one_instant(db):
    with one_instant(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)


def invent(budget):
    """A deposit that the chain knows nothing of."""
    transfer(
        key="invented",
        kind="deposit",
        debit=house_account("treasury"),
        credit=budget.available,
        amount_glm=Decimal(1),
    )
