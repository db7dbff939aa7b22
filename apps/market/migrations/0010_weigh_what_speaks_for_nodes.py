from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("market", "0009_list_prices_of_clouds")]
    operations = [
        migrations.AddField(
            model_name="nodereputation",
            name="good",
            field=models.FloatField(default=0, help_text="Of the evidence, what speaks for the node."),
        ),
    ]
