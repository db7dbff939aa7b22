"""A month counts what was posted since its first instant, whenever somebody asks for the first time.

A cap's month begins with the first hold after midnight; what ran until then posted usage in the new month.
"""

from django.db import migrations

from apps.billing.guards import POSTED, cap_counts_by_itself

# One expression, so one snapshot: rating writes a hold and its transfers in one transaction. Little was posted
# since the month began, much before it, so that is what is taken off.
POSTED_BEFORE = f"""{POSTED} - (
                SELECT coalesce(sum(amount), 0) FROM billing_transfer
                WHERE kind = 'usage' AND at >= NEW.period_start
                    AND debit_id = (SELECT held_id FROM billing_budget WHERE id = NEW.budget_id)
                    AND reference IN (SELECT 'hold:' || id FROM billing_hold WHERE cap_id = NEW.id)
            )"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0030_due_what_was_used_on_credit")]
    operations = [
        migrations.RunSQL(
            cap_counts_by_itself("CREATE OR REPLACE", posted_before=POSTED_BEFORE),
            cap_counts_by_itself("CREATE OR REPLACE"),
        ),
    ]
