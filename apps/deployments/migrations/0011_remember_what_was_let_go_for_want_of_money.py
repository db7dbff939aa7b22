"""What the Hive let go for want of money, by service: it comes back once it is funded again."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("deployments", "0010_remember_what_money_lacked_for")]

    operations = [
        migrations.AddField(
            model_name="service",
            name="taken",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Replicas let go for want of money; ends.growing_back tells when they come back.",
            ),
        ),
        migrations.AddField(
            model_name="service",
            name="taken_at",
            field=models.DateTimeField(
                blank=True, help_text="When the last of them was let go.", null=True
            ),
        ),
        migrations.AddField(
            model_name="service",
            name="taken_by",
            field=models.CharField(
                blank=True, db_default="", help_text="Who did, as in the audit trail.", max_length=80
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                name="service_knows_since_when_it_lacks",
                condition=Q(taken=0, taken_at=None, taken_by="")
                | Q(taken__gt=0, taken_at__isnull=False, taken_by__gt=""),
            ),
        ),
    ]
