"""Less to do for each of thousands of deposits: fewer indexes to write anew, guards that run when they must."""

import django.db.models.deletion
from django.db import migrations, models

from apps.billing.models import ChainTransfer
from apps.teams.guards import write_once

EVENT = ("chain_id", "tx_hash", "log_index", "block_number", "block_hash", "sender", "recipient", "amount")
WHY = "it is what the chain said"


class Migration(migrations.Migration):
    dependencies = [("billing", "0035_pay_only_what_is_reserved")]
    operations = [
        migrations.AlterField(
            model_name="chaintransfer",
            name="payment",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="chain_transfers",
                to="billing.payment",
            ),
        ),
        migrations.AlterField(
            model_name="chaintransfer",
            name="transaction",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="Ours, that caused it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="chain_transfers",
                to="billing.transaction",
            ),
        ),
        migrations.AddIndex(
            model_name="chaintransfer",
            index=models.Index(
                condition=models.Q(("payment__isnull", False)),
                fields=["payment"],
                name="chain_transfer_payment",
            ),
        ),
        migrations.AddIndex(
            model_name="chaintransfer",
            index=models.Index(
                condition=models.Q(("transaction__isnull", False)),
                fields=["transaction"],
                name="chain_transfer_transaction",
            ),
        ),
        # As they were, by today's `write_once`.
        write_once(ChainTransfer, *EVENT, "wallet", "payment", because=WHY),
        write_once(ChainTransfer, "transaction", because=WHY, name="written_once_transaction"),
        write_once(ChainTransfer, "payer", because=WHY, name="written_once_payer"),
    ]
