import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0004_show_plans_beside_what_was_paid"),
        ("teams", "0003_guard_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="assignment",
            name="permit",
            field=models.JSONField(
                blank=True,
                help_text="What its application key allowed when it was made; the Bee is told.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="deployment",
            name="key",
            field=models.ForeignKey(
                blank=True,
                help_text="The application key under which it was applied last: what it allows holds for all of it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deployments",
                to="teams.apitoken",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="key",
            field=models.ForeignKey(
                blank=True,
                help_text="The application key that asked for it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="plans",
                to="teams.apitoken",
            ),
        ),
    ]
