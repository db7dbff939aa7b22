"""The states of replicas and assignments, and the ways between them, kept by PostgreSQL itself."""

from django.db import migrations

from apps.deployments.replicas import Assignment, Replica
from apps.teams.guards import keep_states


class Migration(migrations.Migration):
    dependencies = [("deployments", "0001_initial"), ("teams", "0003_guard_rows")]
    operations = [keep_states(Replica, Assignment)]
