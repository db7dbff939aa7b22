"""Who pays what is overdue lifts the suspension that came of it, and no other."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0032_meter_as_far_as_it_had_come")]

    operations = [
        migrations.AddField(
            model_name="billingdetails",
            name="suspended_until_paid",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="For what is overdue: lifted by itself. Else an operator suspended it, and lifts it.",
            ),
        ),
        # As the reminders' last step words it.
        migrations.RunSQL(
            "UPDATE billing_billingdetails SET suspended_until_paid = true"
            " WHERE suspended_at IS NOT NULL AND suspended_because LIKE 'invoice % GLM was due on %'",
            migrations.RunSQL.noop,
        ),
    ]
