"""One rule for all that operators agree to, words that can be taken back, and undoing that reads no payments.

Nobody approves what their own team withdraws, as nobody agrees to what it is credited. Of what the Hive gives
away, a word counts until the same operator refuses. And an entry that is undone is looked at first: only one
that reserved a payment has that payment looked up, by its key.
"""

from django.db import migrations

RULES = """
CREATE OR REPLACE FUNCTION billing_reserve_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    undone_key text;
BEGIN
    SELECT key INTO undone_key FROM billing_transfer WHERE id = NEW.undoes_id AND kind = 'payout';
    -- A key of another form is no payment's, and no uuid.
    IF undone_key ~ '^payout:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        IF EXISTS (SELECT FROM billing_payment WHERE id = substr(undone_key, 8)::uuid AND state <> 'failed') THEN
            RAISE EXCEPTION 'a payment''s money is in flight until the payment has failed'
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION billing_approval_of_a_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM billing_transfer AS entry
        JOIN billing_account AS source ON source.id = entry.debit_id
        JOIN teams_member AS member ON member.team_id = source.team_id
        WHERE entry.key = 'payout:' || NEW.payment_id AND member.user_id = NEW.user_id
    ) THEN
        RAISE EXCEPTION 'nobody approves what their own team withdraws' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER given_to_other_teams BEFORE INSERT ON billing_approval
    FOR EACH ROW WHEN (NEW.payment_id IS NOT NULL) EXECUTE FUNCTION billing_approval_of_a_withdrawal();

CREATE FUNCTION billing_words_on_a_gift(of_invoice uuid, of_dispute uuid, total numeric)
RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT said.user_id) FROM billing_approval AS said
    WHERE (said.invoice_id = of_invoice OR said.dispute_id = of_dispute)
        AND said.verdict = 'approved' AND said.upto_glm >= total AND billing_may_approve_payments(said.user_id)
        AND NOT EXISTS (
            SELECT FROM billing_approval AS later
            WHERE (later.invoice_id = of_invoice OR later.dispute_id = of_dispute)
                AND later.user_id = said.user_id AND later.verdict = 'refused' AND later.id > said.id
        )
$$;

CREATE OR REPLACE FUNCTION billing_credit_is_agreed_to() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    credited numeric;
BEGIN
    SELECT credited_net_glm INTO credited FROM billing_invoice WHERE id = NEW.invoice_id FOR NO KEY UPDATE;
    IF billing_words_on_a_gift(NEW.invoice_id, NULL, credited + NEW.net_glm) < NEW.approvals_needed THEN
        RAISE EXCEPTION 'this credit needs the word of % operators', NEW.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_grant_is_agreed_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF billing_words_on_a_gift(NULL, NEW.id, NEW.granted_glm) < NEW.approvals_needed THEN
        RAISE EXCEPTION 'this grant needs the word of % operators', NEW.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

# As 0035 and 0037 had them.
UNDO = """
CREATE OR REPLACE FUNCTION billing_reserve_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM billing_transfer AS entry
        JOIN billing_payment AS payment ON entry.key = 'payout:' || payment.id
        WHERE entry.id = NEW.undoes_id AND payment.state <> 'failed'
    ) THEN
        RAISE EXCEPTION 'a payment''s money is in flight until the payment has failed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_credit_is_agreed_to() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    credited numeric;
BEGIN
    SELECT credited_net_glm INTO credited FROM billing_invoice WHERE id = NEW.invoice_id FOR NO KEY UPDATE;
    IF (SELECT count(DISTINCT user_id) FROM billing_approval
        WHERE invoice_id = NEW.invoice_id AND verdict = 'approved' AND upto_glm >= credited + NEW.net_glm
            AND billing_may_approve_payments(user_id)) < NEW.approvals_needed THEN
        RAISE EXCEPTION 'this credit needs the word of % operators', NEW.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_grant_is_agreed_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(DISTINCT user_id) FROM billing_approval
        WHERE dispute_id = NEW.id AND verdict = 'approved' AND upto_glm >= NEW.granted_glm
            AND billing_may_approve_payments(user_id)) < NEW.approvals_needed THEN
        RAISE EXCEPTION 'this grant needs the word of % operators', NEW.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER given_to_other_teams ON billing_approval;
DROP FUNCTION billing_approval_of_a_withdrawal();
DROP FUNCTION billing_words_on_a_gift(uuid, uuid, numeric);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0037_agree_to_large_gifts")]
    operations = [migrations.RunSQL(RULES, UNDO)]
