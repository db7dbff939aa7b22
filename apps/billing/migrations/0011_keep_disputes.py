"""What was said and settled stays, by PostgreSQL's own word; notes that are disputed already get a dispute."""

from django.db import migrations

from apps.billing.models import Dispute, DisputeMessage
from apps.teams.guards import keep_rows, keep_states, write_once

# Of each agreement the newest note alone: it asks for all that came before.
TAKE_UP = """
INSERT INTO billing_dispute (id, agreement_id, note_id, asked_glm, rated_glm, granted_glm, state, reason,
        state_since, opened_at, deadline_at)
    SELECT gen_random_uuid(), agreement_id, id, amount, amount_accepted, 0, 'with_owner', reason,
            now(), now(), now() + interval '30 days'
        FROM (SELECT DISTINCT ON (agreement_id) * FROM billing_debitnote ORDER BY agreement_id, sequence DESC)
            AS newest
        WHERE state = 'disputed' AND amount_accepted < amount;
"""
MESSAGES = """
CREATE TRIGGER keep_words BEFORE UPDATE ON billing_disputemessage
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('what was said in a dispute stays as it was said');
"""
UNDO_MESSAGES = "DROP TRIGGER keep_words ON billing_disputemessage"


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_disputes_of_debit_notes")]
    operations = [
        migrations.RunSQL(TAKE_UP, migrations.RunSQL.noop),
        keep_states(Dispute),
        keep_rows(Dispute, because="a dispute is settled, not deleted"),
        write_once(Dispute, "agreement", "opened_at", because="a dispute is about one agreement"),
        write_once(
            Dispute,
            *("note", "asked_glm", "rated_glm", "granted_glm"),
            because="the dispute is over",
            when="OLD.state IN ('settled', 'withdrawn')",
            name="keep_outcome",
        ),
        keep_rows(DisputeMessage, because="what was said in a dispute stays as it was said"),
        migrations.RunSQL(MESSAGES, UNDO_MESSAGES),
    ]
