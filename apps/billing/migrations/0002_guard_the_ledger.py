"""What must hold of the money whatever the application does: kept by PostgreSQL itself.

1. Transfers and invoices are written once. (`hive_refuse_change` comes from teams 0002.)
2. A guarded balance is the sum of its transfers: one statement-level trigger moves it, nobody else can.
3. A usage record is what the Bee signed; what was billed of it is written once, and invoiced once.
"""

from django.db import migrations

WRITTEN_ONCE = """
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON billing_transfer
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('a transfer is corrected by a counter-entry');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON billing_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION hive_refuse_change('a transfer is corrected by a counter-entry');
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('an invoice is corrected by a credit note');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON billing_invoice
    FOR EACH STATEMENT EXECUTE FUNCTION hive_refuse_change('an invoice is corrected by a credit note');
"""

# The net change per account and statement, so that a thousand postings to one account touch its row once.
# Rows are locked in the order of their ids before any is changed: two statements that move money between the
# same accounts wait for each other and never lock each other out. Accounts without a guarded balance are not
# touched at all, which is why the treasury is no bottleneck. NO KEY: foreign-key checks need not wait.
BALANCES = """
CREATE FUNCTION billing_move_guarded_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM billing_account
        WHERE guarded_balance IS NOT NULL
            AND id IN (SELECT debit_id FROM moved UNION SELECT credit_id FROM moved)
        ORDER BY id FOR NO KEY UPDATE;
    UPDATE billing_account AS account SET guarded_balance = account.guarded_balance + change.amount
        FROM (
            SELECT id, sum(amount) AS amount FROM (
                SELECT credit_id AS id, amount FROM moved UNION ALL SELECT debit_id, -amount FROM moved
            ) AS side GROUP BY id
        ) AS change
        WHERE account.id = change.id AND account.guarded_balance IS NOT NULL AND change.amount <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER move_guarded_balances AFTER INSERT ON billing_transfer
    REFERENCING NEW TABLE AS moved
    FOR EACH STATEMENT EXECUTE FUNCTION billing_move_guarded_balances();

CREATE FUNCTION billing_account_starts_at_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.guarded_balance <> 0 THEN
        RAISE EXCEPTION 'an account starts at zero: move money to it by a transfer'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER start_at_zero BEFORE INSERT ON billing_account
    FOR EACH ROW EXECUTE FUNCTION billing_account_starts_at_zero();

CREATE FUNCTION billing_account_stays_what_it_is() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.kind, NEW.team_id, NEW.node_id) IS DISTINCT FROM (OLD.id, OLD.kind, OLD.team_id, OLD.node_id) THEN
        RAISE EXCEPTION 'an account keeps its id, kind and owner: open another one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    -- Depth 1 is an UPDATE somebody wrote; the trigger on transfers comes in at depth 2.
    IF NEW.guarded_balance IS DISTINCT FROM OLD.guarded_balance AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'a balance is the sum of its transfers: insert a transfer' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER stay_what_it_is BEFORE UPDATE ON billing_account
    FOR EACH ROW EXECUTE FUNCTION billing_account_stays_what_it_is();
"""

USAGE = """
CREATE FUNCTION billing_usage_is_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.agreement_id, NEW.sequence, NEW.previous_hash, NEW.hash, NEW.signature, NEW.started_at_ms,
        NEW.ended_at_ms, NEW.running_ms, NEW.cpu_ms, NEW.egress_bytes, NEW.final)
        IS DISTINCT FROM
       (OLD.agreement_id, OLD.sequence, OLD.previous_hash, OLD.hash, OLD.signature, OLD.started_at_ms,
        OLD.ended_at_ms, OLD.running_ms, OLD.cpu_ms, OLD.egress_bytes, OLD.final) THEN
        RAISE EXCEPTION 'usage report % of agreement % is signed: it can''t be changed', OLD.sequence, OLD.agreement_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'posted' AND
       (NEW.state, NEW.billed_running_ms, NEW.billed_cpu_ms, NEW.billed_egress_bytes, NEW.cost_glm)
        IS DISTINCT FROM
       (OLD.state, OLD.billed_running_ms, OLD.billed_cpu_ms, OLD.billed_egress_bytes, OLD.cost_glm) THEN
        RAISE EXCEPTION 'usage report % of agreement % is rated already', OLD.sequence, OLD.agreement_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.invoice_id IS NOT NULL AND NEW.invoice_id IS DISTINCT FROM OLD.invoice_id THEN
        RAISE EXCEPTION 'usage report % of agreement % is invoiced already', OLD.sequence, OLD.agreement_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER written_once BEFORE UPDATE ON billing_usagerecord
    FOR EACH ROW EXECUTE FUNCTION billing_usage_is_written_once();
CREATE TRIGGER keep_rows BEFORE DELETE ON billing_usagerecord
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('usage reports are a chain: none can be taken out');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON billing_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION hive_refuse_change('usage reports are a chain: none can be taken out');
"""

UNDO = """
DROP TRIGGER keep_rows ON billing_transfer;
DROP TRIGGER keep_table ON billing_transfer;
DROP TRIGGER keep_rows ON billing_invoice;
DROP TRIGGER keep_table ON billing_invoice;
DROP TRIGGER move_guarded_balances ON billing_transfer;
DROP TRIGGER start_at_zero ON billing_account;
DROP TRIGGER stay_what_it_is ON billing_account;
DROP TRIGGER written_once ON billing_usagerecord;
DROP TRIGGER keep_rows ON billing_usagerecord;
DROP TRIGGER keep_table ON billing_usagerecord;
DROP FUNCTION billing_move_guarded_balances();
DROP FUNCTION billing_account_starts_at_zero();
DROP FUNCTION billing_account_stays_what_it_is();
DROP FUNCTION billing_usage_is_written_once();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("teams", "0002_keep_the_audit_trail")]
    operations = [migrations.RunSQL([WRITTEN_ONCE, BALANCES, USAGE], UNDO)]
