from django.db import migrations

from apps.billing.models import Hold
from apps.teams.guards import write_once


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_hold_under_keys"), ("teams", "0004_tell_limited_tokens")]
    operations = [
        write_once(
            Hold, "key", because="what was held under a key counts against it", name="written_once_key"
        )
    ]
