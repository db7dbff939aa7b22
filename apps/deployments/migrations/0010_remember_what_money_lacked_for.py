"""What money lacked for, by replica: the next look at its deployment asks whether that much is there."""

import apps.money
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0009_no_deployment_without_a_cap"),
    ]

    operations = [
        migrations.AddField(
            model_name="replica",
            name="refused_glm",
            field=apps.money.GlmField(
                blank=True, help_text="What its next lease needed when money last lacked for it.", null=True
            ),
        ),
    ]
