"""What is held and spent under a cap is added up here, under its row's lock; credit is lent, never paid out.

1. `used_glm` of a cap follows its holds: what is held counts whole, what is over counts as it was spent. A CHECK
   refuses what would pass the limit, whoever writes it.
2. A period begins once, at the first instant of its month, with what was spent until then.
3. A payout leaves no budget below zero: what a team has on credit is for running things.
"""

from django.db import migrations

from apps.billing.guards import cap_counts_by_itself
from apps.billing.models import BudgetCap, Hold
from apps.teams.guards import keep_rows, keep_states, write_once

COUNTED = f"""
CREATE FUNCTION billing_count_under_cap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before numeric := 0;
    after numeric := 0;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.cap_id IS NOT NULL THEN
        before := CASE OLD.state WHEN 'held' THEN OLD.amount ELSE OLD.posted END;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.cap_id IS NOT NULL THEN
        after := CASE NEW.state WHEN 'held' THEN NEW.amount ELSE NEW.posted END;
    END IF;
    IF after <> before THEN
        UPDATE billing_budgetcap SET used_glm = used_glm + after - before
            WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.cap_id ELSE NEW.cap_id END;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER count_new_under_cap AFTER INSERT ON billing_hold
    FOR EACH ROW WHEN (NEW.cap_id IS NOT NULL) EXECUTE FUNCTION billing_count_under_cap();
CREATE TRIGGER count_under_cap AFTER UPDATE OF amount, posted, state, cap_id ON billing_hold
    FOR EACH ROW WHEN (NEW.cap_id IS NOT NULL) EXECUTE FUNCTION billing_count_under_cap();
CREATE TRIGGER count_no_more_under_cap AFTER DELETE ON billing_hold
    FOR EACH ROW WHEN (OLD.cap_id IS NOT NULL) EXECUTE FUNCTION billing_count_under_cap();

CREATE FUNCTION billing_hold_counts_under_its_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM billing_budgetcap WHERE id = NEW.cap_id AND budget_id = NEW.budget_id) THEN
        RAISE EXCEPTION 'a hold counts under a cap of its own budget' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER under_its_budget BEFORE INSERT OR UPDATE OF cap_id, budget_id ON billing_hold
    FOR EACH ROW WHEN (NEW.cap_id IS NOT NULL) EXECUTE FUNCTION billing_hold_counts_under_its_budget();
{cap_counts_by_itself("CREATE")}CREATE TRIGGER count_by_itself BEFORE INSERT OR UPDATE ON billing_budgetcap
    FOR EACH ROW EXECUTE FUNCTION billing_cap_counts_by_itself();
"""
UNCOUNTED = """
DROP TRIGGER count_new_under_cap ON billing_hold;
DROP TRIGGER count_under_cap ON billing_hold;
DROP TRIGGER count_no_more_under_cap ON billing_hold;
DROP TRIGGER under_its_budget ON billing_hold;
DROP TRIGGER count_by_itself ON billing_budgetcap;
DROP FUNCTION billing_count_under_cap();
DROP FUNCTION billing_hold_counts_under_its_budget();
DROP FUNCTION billing_cap_counts_by_itself();
"""

# Triggers of one event go by their names, so this one sees the balances that `move_guarded_balances` has moved.
PAYOUTS = """
CREATE FUNCTION billing_pay_out_no_credit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM moved JOIN billing_account AS account ON account.id = moved.debit_id
        WHERE moved.kind = 'payout' AND account.guarded_balance < 0
    ) THEN
        RAISE EXCEPTION 'what a team has on credit is not paid out'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'account_no_credit_for_payouts';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER pay_out_no_credit AFTER INSERT ON billing_transfer
    REFERENCING NEW TABLE AS moved
    FOR EACH STATEMENT EXECUTE FUNCTION billing_pay_out_no_credit();
"""
NO_PAYOUTS = """
DROP TRIGGER pay_out_no_credit ON billing_transfer;
DROP FUNCTION billing_pay_out_no_credit();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_cap_budgets_and_give_credit"), ("teams", "0004_tell_limited_tokens")]
    operations = [
        keep_states(BudgetCap),
        keep_rows(BudgetCap, because="what was spent counts under it"),
        write_once(BudgetCap, "budget", "reference", because="its holds count under it"),
        write_once(Hold, "cap", because="what was held under a cap counts there", name="written_once_cap"),
        migrations.RunSQL(COUNTED, UNCOUNTED),
        migrations.RunSQL(PAYOUTS, NO_PAYOUTS),
    ]
