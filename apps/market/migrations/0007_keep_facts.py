"""What a node did stays done: facts of its reputation are written once and never deleted."""

from django.db import migrations

from apps.market.models import ReputationFact
from apps.teams.guards import keep_rows, write_once

FACT = ("node", "kind", "at", "weight", "merit", "reference", "subject", "detail", "agreement", "noted_at")


class Migration(migrations.Migration):
    dependencies = [("market", "0006_keep_reputations"), ("teams", "0003_guard_rows")]
    operations = [
        write_once(ReputationFact, *FACT, because="a reputation stands on what happened"),
        keep_rows(ReputationFact, because="a reputation stands on what happened"),
    ]
