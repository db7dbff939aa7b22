import apps.money
import django.db.models.deletion
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_keep_papers"),
        ("teams", "0003_guard_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="hold",
            name="key",
            field=models.ForeignKey(
                blank=True,
                help_text="The application key under whose limits it was reserved.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="holds",
                to="teams.apitoken",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="per_hour_glm",
            field=apps.money.GlmField(
                default=Decimal("0"), help_text="What it pays for costs so much an hour, for such limits."
            ),
        ),
    ]
