"""Withdrawals go to proven wallets of their own team alone, each by one payment, by PostgreSQL's own word."""

from django.db import migrations

from apps.billing.models import Payment, Withdrawal
from apps.teams.guards import keep_rows, keep_states, write_once

TO_PROVEN_WALLETS = """
CREATE FUNCTION billing_withdrawal_is_the_teams_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM billing_walletproof AS proof JOIN billing_budget AS budget ON budget.team_id = proof.team_id
        WHERE proof.id = NEW.proof_id AND proof.signature <> '' AND budget.id = NEW.budget_id
    ) THEN
        RAISE EXCEPTION 'a withdrawal goes to a wallet that its team has proven' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.payment_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM billing_payment AS payment JOIN billing_walletproof AS proof ON proof.id = NEW.proof_id
        WHERE payment.id = NEW.payment_id AND payment.purpose = 'withdrawal'
            AND payment.recipient = proof.address AND payment.amount = NEW.amount
    ) THEN
        RAISE EXCEPTION 'the payment is not over this withdrawal' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_the_teams_own BEFORE INSERT OR UPDATE ON billing_withdrawal
    FOR EACH ROW EXECUTE FUNCTION billing_withdrawal_is_the_teams_own();
"""
UNDO = """
DROP TRIGGER is_the_teams_own ON billing_withdrawal;
DROP FUNCTION billing_withdrawal_is_the_teams_own();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_withdraw_and_return"), ("teams", "0004_tell_limited_tokens")]
    operations = [
        keep_states(Withdrawal),
        write_once(
            Withdrawal,
            *("budget", "proof", "amount", "payment", "confirmed_at"),
            because="an owner's word was given on it",
        ),
        keep_rows(Withdrawal, because="it says who took money out"),
        write_once(Payment, "purpose", "returns", because="the transaction is signed", name="written_once_purpose"),
        migrations.RunSQL(TO_PROVEN_WALLETS, UNDO),
    ]
