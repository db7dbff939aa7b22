"""The migrations that gave transactions a row of their own, on a database of before with payments in it."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from eth_account import Account

from apps.billing.models import ChainTransfer, Payment
from tests.billing.simulation.databases import copy_of

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

BEFORE = "0017_keep_caps"
UNSIGNED = {
    "type": 2,
    "chainId": 31337,
    "nonce": 7,
    "to": "0x" + "22" * 20,
    "value": 0,
    "data": "0xa9059cbb",
    "gas": 60_000,
    "maxFeePerGas": 3_000,
    "maxPriorityFeePerGas": 20,
}
SIGNED = Account.from_key("0x" + "11" * 32).sign_transaction(UNSIGNED)
RAW, HASH = ("0x" + bytes(each).hex() for each in (SIGNED.raw_transaction, SIGNED.hash))
PAYMENT = """
INSERT INTO billing_payment (id, purpose, chain_id, sender, recipient, nonce, amount, raw_transaction,
        tx_hash, block_number, state, reason, state_since, deadline_at, retry_at, created_at)
    VALUES (gen_random_uuid(), 'withdrawal', 31337, '0xs', '0xr', %s, 3, %s,
        %s, 12, 'confirmed', 'in block 12', '2026-10-01', '2026-10-02', '2026-10-01', '2026-09-30')
"""
EVENT = """
INSERT INTO billing_chaintransfer (chain_id, tx_hash, log_index, block_number, block_hash, sender, recipient,
        amount, state, payment_id, reason, state_since, deadline_at, seen_at)
    SELECT 31337, tx_hash, 0, 12, '0xb', sender, recipient, amount, 'confirmed', id, '', now(), now(), now()
        FROM billing_payment WHERE nonce = 7
"""


def test_each_signed_payment_gets_its_transaction_and_its_one_attempt():
    with copy_of("template1"):
        call_command("migrate", "billing", BEFORE, verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(PAYMENT, [7, RAW, HASH])
            cursor.execute(PAYMENT, [8, "0xraw", "0xunreadable"])
            cursor.execute(EVENT)
        call_command("migrate", "billing", verbosity=0)

        payment = Payment.objects.get(transaction__nonce=7)
        transaction, [attempt] = payment.transaction, payment.transaction.attempts.all()
        assert (transaction.state, transaction.block_number, transaction.sender) == ("confirmed", 12, "0xs")
        assert (transaction.contract, transaction.data) == (UNSIGNED["to"], UNSIGNED["data"])
        assert (attempt.number, attempt.raw, attempt.tx_hash) == (1, RAW, HASH)
        assert (attempt.gas_limit, attempt.max_fee_wei, attempt.tip_wei) == (60_000, 3_000, 20)
        assert payment.tx_hash == transaction.tx_hash == HASH
        assert payment.created_at == transaction.created_at == attempt.at
        assert ChainTransfer.objects.get().transaction == transaction
        assert Payment.objects.get(transaction__nonce=8).transaction.attempts.get().raw == "0xraw"
        with pytest.raises(DatabaseError, match="the transaction is signed"):
            Payment.objects.filter(pk=payment.pk).update(amount=4)
