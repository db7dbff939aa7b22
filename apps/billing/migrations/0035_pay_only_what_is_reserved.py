"""No payment without its money: PostgreSQL holds each against the entry that reserved it.

The entry `payout:<id>` moves exactly its amount into flight, from who pays: what is payable to the node that it
goes to, the budget of a team that has proven the wallet it goes to, or suspense for a stray deposit that goes
back to its payer; and nobody has undone it. A payment has it by the end of the transaction that makes it, is
looked at again when it becomes ready and when it is signed, and gives it back only once it has failed.
"""

from django.db import migrations

RULES = """
CREATE FUNCTION billing_payment_is_reserved(payment billing_payment) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM billing_transfer AS entry
        JOIN billing_account AS source ON source.id = entry.debit_id
        JOIN billing_account AS target ON target.id = entry.credit_id
        WHERE entry.key = 'payout:' || payment.id AND entry.kind = 'payout' AND entry.amount = payment.amount
            AND target.kind = 'in_flight'
            AND NOT EXISTS (SELECT FROM billing_transfer AS undo WHERE undo.undoes_id = entry.id)
            AND CASE payment.purpose
                WHEN 'payout' THEN source.kind = 'payable' AND source.node_id = payment.node_id
                    AND payment.recipient = payment.node_id
                WHEN 'withdrawal' THEN source.kind = 'available' AND EXISTS (
                    SELECT FROM billing_walletproof AS proof
                    WHERE proof.team_id = source.team_id AND proof.address = payment.recipient
                        AND proof.signature <> ''
                )
                WHEN 'return' THEN source.kind = 'suspense' AND EXISTS (
                    SELECT FROM billing_chaintransfer AS deposit
                    WHERE deposit.id = payment.returns_id AND payment.amount <= deposit.amount
                        AND coalesce(nullif(deposit.payer, ''), deposit.sender) = payment.recipient
                )
            END
    )
$$;

CREATE FUNCTION billing_payment_must_be_reserved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payment billing_payment%ROWTYPE := NEW;
BEGIN
    IF TG_OP = 'INSERT' THEN  -- at the end of the transaction: as it is by then
        SELECT * INTO payment FROM billing_payment WHERE id = NEW.id;
    END IF;
    IF payment.state <> 'failed' AND NOT billing_payment_is_reserved(payment) THEN
        RAISE EXCEPTION 'payment % has no money reserved: no entry payout:% of its amount, from who pays it',
            payment.id, payment.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE CONSTRAINT TRIGGER be_reserved AFTER INSERT ON billing_payment DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION billing_payment_must_be_reserved();
CREATE TRIGGER stay_reserved BEFORE UPDATE OF state ON billing_payment
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state IN ('ready', 'signed'))
    EXECUTE FUNCTION billing_payment_must_be_reserved();

CREATE FUNCTION billing_reserve_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER keep_reserves BEFORE INSERT ON billing_transfer
    FOR EACH ROW WHEN (NEW.undoes_id IS NOT NULL) EXECUTE FUNCTION billing_reserve_is_kept();
"""

UNDO = """
DROP TRIGGER be_reserved ON billing_payment;
DROP TRIGGER stay_reserved ON billing_payment;
DROP TRIGGER keep_reserves ON billing_transfer;
DROP FUNCTION billing_payment_must_be_reserved();
DROP FUNCTION billing_reserve_is_kept();
DROP FUNCTION billing_payment_is_reserved(billing_payment);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0034_let_others_approve")]
    operations = [migrations.RunSQL(RULES, UNDO)]
