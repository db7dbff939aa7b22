from django.db import migrations, models

from apps.teams.guards import write_once
from apps.teams.models import ApiToken


class Migration(migrations.Migration):
    dependencies = [("teams", "0003_guard_rows")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="is_limited",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="An application key: it may only do what its policy says.",
            ),
        ),
        write_once(
            ApiToken, "team", "user", "digest", "is_limited", because="a token stays whose and what it is"
        ),
    ]
