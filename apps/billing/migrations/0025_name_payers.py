"""Who paid, where a contract passed the GLM on: it is who the money belongs to, and goes back to."""

from django.db import migrations, models

from apps.billing.models import ChainTransfer
from apps.teams.guards import write_once


class Migration(migrations.Migration):
    dependencies = [("billing", "0024_alert_in_time")]
    operations = [
        migrations.AddField(
            model_name="chaintransfer",
            name="payer",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Who paid, where the sender is a contract that passed it on.",
                max_length=42,
            ),
        ),
        write_once(ChainTransfer, "payer", because="it is what the chain said", name="written_once_payer"),
    ]
