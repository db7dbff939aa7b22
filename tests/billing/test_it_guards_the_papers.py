"""Holds, payments, notes, agreements and chain events attacked with plain SQL, and the states of all."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.budgets.holding import extend_hold, release_hold
from apps.billing.budgets.models import HoldState
from apps.billing.models import ChainTransfer, InvoiceSeries, Payment, PaymentState
from apps.billing.providers.debit_notes import store_debit_notes
from apps.teams.audit import Actor
from apps.teams.guards import transitions_text
from apps.teams.states import Stateful
from tests.billing.payments_of_tests import carried, reserved

pytestmark = pytest.mark.django_db

ACTOR = Actor.queen("test")
DEAD = "0x000000000000000000000000000000000000dead"


def refused(sql: str, *, because: str) -> None:
    with pytest.raises(DatabaseError, match=re.escape(because)), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.fixture
def payment(node, now):
    return reserved(
        carried(node=node, recipient=node.id, amount=Decimal(1), nonce=7, sender=DEAD, tx_hash="0xhash")
    )


@pytest.fixture
def chain_transfer(node, now):
    return ChainTransfer.objects.create(
        chain_id=31337,
        tx_hash="0xhash",
        log_index=0,
        block_number=3,
        block_hash="0xblock",
        sender=DEAD,
        recipient=node.id,
        amount=Decimal(1),
        deadline_at=now,
    )


@pytest.fixture
def debit_note(meter, node):
    return store_debit_notes(node_id=node.id, notes=[meter.note("0.000226", usage_hash="0x" + "11" * 32)])


@pytest.mark.parametrize("amount", ["amount = amount - 1", "posted = posted - 1"])
def test_it_never_lowers_what_a_hold_holds_or_posted(hold, amount):
    type(hold).objects.update(posted=Decimal("0.5"))
    refused(f"UPDATE billing_hold SET {amount}", because="never falls")


@pytest.mark.parametrize(
    "change",
    ["budget_id = budget_id + 1", "reference = 'other'", "agreement_id = NULL", "id = gen_random_uuid()"],
)
def test_it_never_gives_a_hold_to_something_else(hold, change):
    refused(f"UPDATE billing_hold SET {change}", because="a hold is for one thing")


def test_it_never_opens_a_closed_hold(hold):
    hold.move_to(HoldState.RELEASED, actor=ACTOR, reason="a test")
    refused(
        "UPDATE billing_hold SET state = 'held', deadline_at = now()", because="no way from released to held"
    )
    refused("UPDATE billing_hold SET posted = amount", because="the hold is closed")
    refused("UPDATE billing_hold SET amount = amount + 1", because="the hold is closed")
    refused("DELETE FROM billing_hold", because="a hold is released, not deleted")


def test_it_still_tops_up_and_releases_a_hold(hold, agreement, now):
    extend_hold(hold, amount_glm=Decimal(1), until=now + timedelta(hours=2))
    type(agreement).objects.update(approved_at=agreement.approved_at, state="terminated", deadline_at=None)
    connection.cursor().execute("UPDATE billing_hold SET posted = amount")
    assert release_hold(hold, actor=ACTOR, reason="a test").amount == 2


@pytest.mark.parametrize(
    "change",
    [
        f"recipient = '{DEAD}'",
        "amount = amount * 10",
        "chain_id = 1",
        f"node_id = '{DEAD}'",
        "transaction_id = gen_random_uuid()",
        "id = gen_random_uuid()",
    ],
)
def test_it_never_rewrites_a_payment(payment, change):
    refused(f"UPDATE billing_payment SET {change}", because="the transaction is signed")


@pytest.mark.parametrize(
    "change",
    [
        "nonce = 8",
        "chain_id = 1",
        f"sender = '{DEAD[:-1]}e'",
        "data = '0x01'",
        "kind = 'direct'",
        "contract = '0x'",
    ],
)
def test_it_never_rewrites_a_transaction(payment, change):
    refused(f"UPDATE billing_transaction SET {change}", because="the transaction is signed")
    refused("DELETE FROM billing_transaction", because="a transaction may be on the chain")


@pytest.mark.parametrize("change", ["raw = '0x'", "tx_hash = '0x'", "number = 2", "tip_wei = 0"])
def test_it_never_rewrites_an_attempt(payment, change):
    refused(f"UPDATE billing_attempt SET {change}", because="the attempt is signed")
    refused("DELETE FROM billing_attempt", because="an attempt may be on the chain")


def test_it_never_uses_a_nonce_twice(payment):
    refused(
        "INSERT INTO billing_transaction SELECT (jsonb_populate_record(t,"
        " jsonb_build_object('id', gen_random_uuid(), 'tx_hash', '0xother'))).*"
        " FROM billing_transaction AS t",
        because="transaction_nonce_used_once",
    )


def test_it_never_moves_a_payment_without_a_transaction(node):
    waiting = reserved(
        Payment.objects.create(
            node=node, chain_id=1, recipient=node.id, amount=Decimal(1), deadline_at=timezone.now()
        )
    )
    refused("UPDATE billing_payment SET state = 'signed'", because="payment_moves_with_its_transaction")
    assert waiting.tx_hash is None


def test_it_never_pays_a_final_payment_again(payment):
    for state in (PaymentState.SENT, PaymentState.CONFIRMED):
        payment.move_to(state, actor=ACTOR, reason="a test", deadline_at=payment.deadline_at)
    payment.move_to(PaymentState.FINAL, actor=ACTOR, reason="a test")
    refused(
        "UPDATE billing_payment SET state = 'signed', deadline_at = now()",
        because="no way from final to signed",
    )
    refused("DELETE FROM billing_payment", because="a payment may be on the chain")


@pytest.mark.parametrize(
    "change",
    [
        "amount = 999, amount_accepted = 999",
        "signature = '0x'",
        "usage_hash = '0x'",
        "sequence = 9",
        "final = NOT final",
        "agreement_id = gen_random_uuid()",
    ],
)
def test_it_never_rewrites_a_debit_note(debit_note, change):
    refused(f"UPDATE billing_debitnote SET {change}", because="the node signed it")
    refused("DELETE FROM billing_debitnote", because="a signed debit note is evidence")


@pytest.mark.parametrize(
    "change",
    [
        "second_glm = 1",
        "provider_signature = '0x'",
        "requestor_signature = '0x'",
        "image = 'other'",
        "expires_at = expires_at + interval '1 year'",
        "node_id = requestor",
    ],
)
def test_it_never_rewrites_an_agreement(agreement, change):
    refused(f"UPDATE market_agreement SET {change}", because="both sides sign an agreement's terms")
    refused("DELETE FROM market_agreement", because="an agreement is ended, not deleted")


@pytest.mark.parametrize("change", ["amount = amount + 1000", f"recipient = '{DEAD}'", "block_number = 1"])
def test_it_never_rewrites_what_the_chain_said(chain_transfer, change):
    refused(f"UPDATE billing_chaintransfer SET {change}", because="it is what the chain said")
    refused("DELETE FROM billing_chaintransfer", because="it is what the chain said")


def test_it_never_gives_an_invoice_number_twice(db):
    InvoiceSeries.objects.create(prefix="HIVE-2026-", last_number=3)
    refused("UPDATE billing_invoiceseries SET last_number = 0", because="an invoice number is given once")
    refused("UPDATE billing_invoiceseries SET prefix = 'X'", because="invoices are numbered by it")
    refused("DELETE FROM billing_invoiceseries", because="an invoice number is given once")


def test_it_never_moves_a_budget_to_other_accounts(budget):
    refused("UPDATE billing_budget SET available_id = held_id", because="keeps its team and its accounts")


@pytest.mark.parametrize(
    "table", ["market_agreement", "billing_payment", "billing_debitnote", "billing_hold"]
)
def test_it_never_empties_these_tables(table):
    connection.cursor().execute("SET LOCAL hive.may_truncate = 'off'")
    refused(f"TRUNCATE {table} CASCADE", because="TRUNCATE of")


# -- states -----------------------------------------------------------------------------------------------


def test_it_knows_no_state_that_the_code_has_not(hold, node):
    refused(
        "UPDATE market_demand SET state = 'nonsense', deadline_at = now()", because="has no state nonsense"
    )
    refused("UPDATE nodes_node SET state = 'nonsense'", because="has no state nonsense")
    refused(
        "INSERT INTO nodes_node SELECT (jsonb_populate_record(n, jsonb_build_object('state', 'nonsense'))).*"
        " FROM nodes_node AS n",
        because="has no state nonsense",
    )


def test_it_keeps_the_ways_that_the_code_has():
    """A TRANSITIONS that changes needs a migration with `keep_states`."""
    for model in (model for model in apps.get_models() if issubclass(model, Stateful)):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgargs FROM pg_trigger WHERE tgname = 'keep_states' AND tgrelid = %s::regclass",
                [model._meta.db_table],
            )
            [(kept,)] = cursor.fetchall()
        assert bytes(kept).rstrip(b"\0").decode() == transitions_text(model.TRANSITIONS), model
