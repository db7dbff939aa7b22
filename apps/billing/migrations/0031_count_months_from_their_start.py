"""A month counts what was posted since its first instant, whenever somebody asks for the first time.

A cap's month begins with the first hold after midnight; what ran until then posted usage in the new month.
"""

from django.db import migrations

WITH_POSTED_BEFORE = """
CREATE OR REPLACE FUNCTION billing_cap_counts_by_itself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.used_glm <> 0 OR NEW.base_glm <> 0 THEN
            RAISE EXCEPTION 'a cap starts at zero: its holds are counted' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    -- Depth 1 is an UPDATE somebody wrote; the trigger on holds comes in at depth 2.
    IF NEW.used_glm IS DISTINCT FROM OLD.used_glm AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what counts under a cap is the sum of its holds: place or release one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.per, NEW.period_start) IS DISTINCT FROM (OLD.per, OLD.period_start) THEN
        IF NEW.per = 'month' THEN
            IF NEW.period_start > now() OR (OLD.per = 'month' AND NEW.period_start <= OLD.period_start)
                OR NEW.period_start <> date_trunc('month', NEW.period_start, 'UTC') THEN
                RAISE EXCEPTION 'a cap''s period begins once, with its month' USING ERRCODE = 'restrict_violation';
            END IF;
            NEW.base_glm := {posted_before};
        ELSE
            NEW.base_glm := 0;
        END IF;
    ELSIF NEW.base_glm IS DISTINCT FROM OLD.base_glm THEN
        RAISE EXCEPTION 'what was spent before a cap''s period is added up when it begins'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
POSTED = "(SELECT coalesce(sum(posted), 0) FROM billing_hold WHERE cap_id = NEW.id)"
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
            WITH_POSTED_BEFORE.format(posted_before=POSTED_BEFORE),
            WITH_POSTED_BEFORE.format(posted_before=POSTED),
        ),
    ]
