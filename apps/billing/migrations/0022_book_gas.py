"""What a transaction cost is known once it is final, and written once."""

from django.db import migrations

import apps.money
from apps.billing.models import Transaction
from apps.teams.guards import write_once


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_know_the_chains_nodes")]
    operations = [
        migrations.AddField(
            model_name="transaction",
            name="gas_coin",
            field=apps.money.GlmField(
                blank=True, help_text="What it cost, in the chain's coin; known once it is final.", null=True
            ),
        ),
        write_once(Transaction, "gas_coin", because="its gas is booked", name="written_once_gas"),
    ]
