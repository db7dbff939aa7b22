"""A cap knows what others of its budget need before anything that was let go comes back, and says so."""

from decimal import Decimal

from django.db import migrations

import apps.money


class Migration(migrations.Migration):
    dependencies = [("billing", "0038_agree_for_other_teams")]

    operations = [
        migrations.AddField(
            model_name="budgetcap",
            name="beside_glm",
            field=apps.money.GlmField(
                db_default=0,
                default=Decimal("0"),
                editable=False,
                help_text="While replicas are let go for want of money: what others of its budget need, which "
                "comes first.",
            ),
        ),
        migrations.AlterField(
            model_name="budgetcap",
            name="needed_glm",
            field=apps.money.GlmField(
                default=Decimal("0"),
                editable=False,
                help_text="While it is short: what one more lease of everything takes. While replicas are let "
                "go for want of money: what must be left of it for the next of them to come back, and of its "
                "budget besides what others of that need.",
            ),
        ),
    ]
