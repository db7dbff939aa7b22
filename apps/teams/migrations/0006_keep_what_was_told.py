"""What was told stays as it was told, and each delivery keeps to its ways, by PostgreSQL's own word.

Old notices may be deleted whole; nothing of one is changed.
"""

from django.db import migrations

from apps.teams.guards import keep_states, write_once
from apps.teams.models import Delivery, Webhook

KEEP = """
CREATE TRIGGER keep_words BEFORE UPDATE ON teams_notice
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('what was told stays as it was told');
CREATE TRIGGER keep_words BEFORE UPDATE ON teams_deliveryattempt
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('an attempt stays as it was made');
"""
UNDO = """
DROP TRIGGER keep_words ON teams_notice;
DROP TRIGGER keep_words ON teams_deliveryattempt;
"""


class Migration(migrations.Migration):
    dependencies = [("teams", "0005_tell_by_mail_and_webhook")]
    operations = [
        migrations.RunSQL(KEEP, UNDO),
        keep_states(Delivery),
        write_once(Delivery, "notice", "webhook", "address", because="a delivery is to one address"),
        write_once(Webhook, "team", "url", "removed_at", because="another address is another webhook"),
    ]
