"""What was signed stays as it was signed, by PostgreSQL's own word; payments keep what they are for."""

from django.db import migrations, models

from apps.billing.models import Attempt, ChainTransfer, Payment, Transaction
from apps.teams.guards import keep_rows, keep_states, write_once

MOVED = ("sender", "nonce", "raw_transaction", "tx_hash", "block_number", "retry_at")
ATTEMPT = ("transaction", "number", "tx_hash", "raw", "gas_limit", "max_fee_wei", "tip_wei", "at")
LINE = ("node", "chain_id", "recipient", "amount", "transaction")


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0019_move_payments_into_transactions"),
        ("teams", "0004_tell_limited_tokens"),
    ]
    operations = [
        write_once(Payment, *LINE, because="the transaction is signed"),
        migrations.RemoveConstraint(model_name="payment", name="payment_nonce_used_once"),
        *[migrations.RemoveField(model_name="payment", name=name) for name in MOVED],
        migrations.AlterField(
            model_name="payment",
            name="state",
            field=models.CharField(
                choices=[
                    ("ready", "Ready"),
                    ("signed", "Signed"),
                    ("sent", "Sent"),
                    ("confirmed", "Confirmed"),
                    ("final", "Final"),
                    ("failed", "Failed"),
                ],
                default="ready",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(fields=("transaction", "line"), name="payment_line_used_once"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["ready", "failed"]), ("transaction__isnull", False), _connector="OR"
                ),
                name="payment_moves_with_its_transaction",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "ready"), _negated=True), ("transaction", None), _connector="OR"
                ),
                name="payment_ready_has_no_transaction",
            ),
        ),
        keep_states(Payment, Transaction),
        write_once(
            Transaction,
            *("kind", "chain_id", "sender", "nonce", "contract", "data"),
            because="the transaction is signed",
        ),
        keep_rows(Transaction, because="a transaction may be on the chain"),
        write_once(Attempt, *ATTEMPT, because="the attempt is signed"),
        keep_rows(Attempt, because="an attempt may be on the chain"),
        write_once(
            ChainTransfer, "transaction", because="it is what the chain said", name="written_once_transaction"
        ),
    ]
