"""What is signed gets a noun of its own, apart from what is paid: one transaction may carry many payments."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_keep_caps")]
    operations = [
        migrations.CreateModel(
            name="Transaction",
            fields=[
                (
                    "reason",
                    models.CharField(blank=True, help_text="Why it is in this state.", max_length=500),
                ),
                ("state_since", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "deadline_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="By when it must have left this state; none for a final one.",
                        null=True,
                    ),
                ),
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("transfer", "One transfer"),
                            ("direct", "Batch, each from the treasury"),
                            ("indirect", "Batch, through the contract"),
                            ("allowance", "Allowance"),
                        ],
                        default="transfer",
                        editable=False,
                        max_length=12,
                    ),
                ),
                ("chain_id", models.BigIntegerField()),
                ("sender", models.CharField(max_length=42)),
                ("nonce", models.BigIntegerField()),
                ("contract", models.CharField(help_text="The contract that is called.", max_length=42)),
                ("data", models.TextField(editable=False, help_text="The call, in hex.")),
                (
                    "tx_hash",
                    models.CharField(
                        help_text="Of the attempt that a block has, else of the newest.",
                        max_length=66,
                        unique=True,
                    ),
                ),
                ("block_number", models.BigIntegerField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("signed", "Signed"),
                            ("sent", "Sent"),
                            ("confirmed", "Confirmed"),
                            ("final", "Final"),
                            ("failed", "Failed"),
                        ],
                        default="signed",
                        max_length=12,
                    ),
                ),
                (
                    "retry_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        help_text="When it is sent again unless a block has it.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("-created_at",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("chain_id", "sender", "nonce"), name="transaction_nonce_used_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("nonce__gte", 0)), name="transaction_nonce_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["failed", "final"]),
                            ("deadline_at__isnull", False),
                            _connector="OR",
                        ),
                        name="transaction_has_deadline",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "number",
                    models.PositiveIntegerField(help_text="1 for the first; each later one offers more."),
                ),
                ("tx_hash", models.CharField(max_length=66, unique=True)),
                ("raw", models.TextField(editable=False, help_text="As it is sent, signed, in hex.")),
                ("gas_limit", models.PositiveBigIntegerField()),
                (
                    "max_fee_wei",
                    models.PositiveBigIntegerField(help_text="At most so much for a unit of gas."),
                ),
                ("tip_wei", models.PositiveBigIntegerField(help_text="Of it, for whoever makes the block.")),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "transaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="billing.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ("transaction", "number"),
                "constraints": [
                    models.UniqueConstraint(fields=("transaction", "number"), name="attempt_numbered_once"),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1)), name="attempt_counts_from_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tip_wei__lte", models.F("max_fee_wei"))),
                        name="attempt_tip_within_fee",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="payment",
            name="transaction",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payments",
                to="billing.transaction",
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="line",
            field=models.PositiveIntegerField(default=0, help_text="Its place in the transaction, from 0."),
        ),
        migrations.AddField(
            model_name="chaintransfer",
            name="transaction",
            field=models.ForeignKey(
                blank=True,
                help_text="Ours, that caused it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="chain_transfers",
                to="billing.transaction",
            ),
        ),
    ]
