from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0003_find_leases_by_their_renewal"),
    ]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="applied_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="effect",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="On the budget, as it was then: see plans.effect.",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="risks",
            field=models.JSONField(
                blank=True, default=list, help_text="What is bold about it: see plans.risks."
            ),
        ),
        migrations.AlterField(
            model_name="plan",
            name="placements",
            field=models.JSONField(
                help_text="One entry per replica: node, offer, price per hour and why there, or why nowhere."
            ),
        ),
        migrations.AlterField(
            model_name="plan",
            name="signature",
            field=models.CharField(help_text="The Queen's: see plans.signing.", max_length=200),
        ),
    ]
