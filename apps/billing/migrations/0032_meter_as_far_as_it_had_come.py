"""Where a meter stands is told in other words: a report that is dated ahead moves it to where it came in.

What it had claimed beyond that was paid to nobody, and the minutes that passed there since were not either.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0031_count_months_from_their_start")]

    operations = [
        migrations.AlterField(
            model_name="meterreading",
            name="ended_at_ms",
            field=models.BigIntegerField(
                help_text="The latest end of a rated report, as far as it had come when the report came in."
            ),
        ),
    ]
