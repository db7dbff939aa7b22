"""After 0008 has given each deployment its cap: a table can't be altered in the transaction that fills it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0008_cap_each_deployment")]
    operations = [
        migrations.AlterField(
            model_name="deployment",
            name="cap",
            field=models.OneToOneField(
                help_text="All that is held for it counts there; how its money ends stands there too.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.budgetcap",
            ),
        ),
    ]
