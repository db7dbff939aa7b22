"""A lost node's offers wait for it in a state of their own, out of which they come back or end."""

from django.db import migrations, models

from apps.nodes.models import Offer
from apps.teams.guards import keep_states


class Migration(migrations.Migration):
    dependencies = [("nodes", "0005_count_storage_gpus_and_regions"), ("teams", "0003_guard_rows")]
    operations = [
        migrations.AlterField(
            model_name="offer",
            name="state",
            field=models.CharField(
                choices=[
                    ("live", "Live"),
                    ("lost", "Withdrawn while its node is lost"),
                    ("withdrawn", "Withdrawn"),
                    ("expired", "Expired"),
                ],
                default="live",
                max_length=12,
            ),
        ),
        keep_states(Offer),
    ]
