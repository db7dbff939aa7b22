"""What was signed stays signed, and the states of the market, kept by PostgreSQL itself."""

from django.db import migrations

from apps.market.models import Agreement, Demand, Proposal
from apps.teams.guards import keep_rows, keep_states, write_once

PARTIES = ("demand", "offer", "node", "team", "requestor")
TERMS = ("runtime", "image", "cpu_threads", "mem_gib", "valid_from", "expires_at")
PRICE = ("start_glm", "cpu_second_glm", "second_glm", "egress_gib_glm")
SIGNATURES = ("requestor_signature", "provider_signature")


class Migration(migrations.Migration):
    dependencies = [("market", "0001_initial"), ("teams", "0003_guard_rows")]
    operations = [
        keep_states(Demand, Proposal, Agreement),
        write_once(Agreement, *PARTIES, *TERMS, *PRICE, *SIGNATURES, because="both sides sign an agreement's terms"),
        keep_rows(Agreement, because="an agreement is ended, not deleted"),
    ]
