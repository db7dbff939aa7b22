"""A month's end finds what is on no invoice without reading what was invoiced in the years before."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_keep_withdrawals")]

    operations = [
        migrations.AlterField(
            model_name="usagerecord",
            name="invoice",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="usage",
                to="billing.invoice",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                condition=models.Q(("invoice", None), ("state", "posted")),
                fields=["agreement"],
                name="usage_to_invoice",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                condition=models.Q(("invoice__isnull", False)),
                fields=["invoice"],
                name="usage_of_an_invoice",
            ),
        ),
    ]
