from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("market", "0010_weigh_what_speaks_for_nodes")]

    operations = [
        migrations.AddField(
            model_name="proposal",
            name="issuer",
            field=models.CharField(
                choices=[("queen", "Queen"), ("bee", "Bee")], default="queen", max_length=8
            ),
        ),
    ]
