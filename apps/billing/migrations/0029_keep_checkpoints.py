"""Balances of the house's accounts are reckoned from checkpoints, not from the first transfer on."""

import django.db.models.deletion
from django.db import migrations, models

import apps.money
from apps.billing.models import Checkpoint
from apps.teams.guards import keep_rows, write_once


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_prove_each_day")]
    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until_id", models.BigIntegerField(help_text="All transfers up to this id are in it.")),
                ("newest_at", models.DateTimeField(help_text="None of them is later.")),
                ("balance", apps.money.GlmField(help_text="Credits less debits, in the account's currency.")),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="checkpoints", to="billing.account"
                    ),
                ),
            ],
            options={"ordering": ("account", "-until_id")},
        ),
        migrations.AddConstraint(
            model_name="checkpoint",
            constraint=models.UniqueConstraint(
                fields=("account", "until_id"), name="checkpoint_once_per_transfer"
            ),
        ),
        write_once(
            Checkpoint,
            *("account", "until_id", "newest_at", "balance"),
            because="balances are reckoned from it",
        ),
        keep_rows(Checkpoint, because="balances are reckoned from it"),
    ]
