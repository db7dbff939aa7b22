"""Each payment that was signed gets its transaction, with the one attempt there was.

What the call was and what it offered is read out of the raw transaction.
"""

from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

BATCH = 500


def move(apps: Any, schema_editor: Any) -> None:
    Payment = apps.get_model("billing", "Payment")
    ChainTransfer = apps.get_model("billing", "ChainTransfer")
    unmoved = Payment.objects.filter(transaction=None).order_by("pk")
    while payments := list(unmoved[:BATCH]):
        _move_some(apps, payments)
    of_payment = Payment.objects.filter(pk=OuterRef("payment")).values("transaction")
    ChainTransfer.objects.exclude(payment=None).update(transaction=Subquery(of_payment))


def _move_some(apps: Any, payments: list[Any]) -> None:
    Transaction, Attempt = (apps.get_model("billing", name) for name in ("Transaction", "Attempt"))
    for payment in payments:
        signed = _read(payment.raw_transaction)
        same = ("chain_id", "sender", "nonce", "tx_hash", "block_number", "state", "reason", "deadline_at")
        transaction = Transaction.objects.create(
            **{name: getattr(payment, name) for name in (*same, "state_since", "retry_at")},
            contract=signed["to"],
            data=signed["data"],
        )
        Attempt.objects.create(
            transaction=transaction,
            number=1,
            tx_hash=payment.tx_hash,
            raw=payment.raw_transaction,
            gas_limit=signed["gas"],
            max_fee_wei=signed["maxFeePerGas"],
            tip_wei=signed["maxPriorityFeePerGas"],
        )
        Transaction.objects.filter(pk=transaction.pk).update(created_at=payment.created_at)
        Attempt.objects.filter(transaction=transaction).update(at=payment.created_at)
        type(payment).objects.filter(pk=payment.pk).update(transaction=transaction)


def _read(raw: str) -> dict[str, Any]:
    """Every transaction so far was of EIP-1559. What can't be read was never one: it is kept as it is."""
    try:
        found = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    except (ValueError, TypeError, IndexError):
        return {"to": "", "data": "", "gas": 0, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    return {**found, "to": HexBytes(found["to"]).to_0x_hex(), "data": HexBytes(found["data"]).to_0x_hex()}


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_sign_transactions")]
    operations = [migrations.RunPython(move, migrations.RunPython.noop)]
