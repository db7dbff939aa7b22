"""The states of nodes and offers, and the ways between them, kept by PostgreSQL itself."""

from django.db import migrations

from apps.nodes.models import Node, Offer
from apps.teams.guards import keep_states


class Migration(migrations.Migration):
    dependencies = [("nodes", "0001_initial"), ("teams", "0003_guard_rows")]
    operations = [keep_states(Node, Offer)]
