"""Where the applied plan put a replica's next generation."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0005_remember_keys"),
        ("nodes", "0005_count_storage_gpus_and_regions"),
    ]

    operations = [
        migrations.AddField(
            model_name="replica",
            name="planned_offer",
            field=models.ForeignKey(
                blank=True,
                help_text="Where the applied plan put its next generation, until that is asked for.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="nodes.offer",
            ),
        ),
    ]
