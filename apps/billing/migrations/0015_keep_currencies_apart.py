"""Gas is paid in the chain's coin: accounts have a currency, and a transfer stays within one.

All accounts so far are in GLM. The trigger looks at accounts in coin alone, a handful that an index of their
own holds, so that a thousand postings of GLM cost one look at them.
"""

from django.db import migrations, models
from django.db.models import Q

SHARE_CURRENCY = """
CREATE FUNCTION billing_transfers_share_currency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM moved
            LEFT JOIN billing_account AS debit ON debit.id = moved.debit_id AND debit.currency <> 'GLM'
            LEFT JOIN billing_account AS credit ON credit.id = moved.credit_id AND credit.currency <> 'GLM'
            WHERE debit.currency IS DISTINCT FROM credit.currency
    ) THEN
        RAISE EXCEPTION 'a transfer is between two accounts of one currency' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER share_currency AFTER INSERT ON billing_transfer
    REFERENCING NEW TABLE AS moved
    FOR EACH STATEMENT EXECUTE FUNCTION billing_transfers_share_currency();

CREATE FUNCTION billing_account_keeps_its_currency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account keeps its currency: open another one' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep_currency BEFORE UPDATE OF currency ON billing_account
    FOR EACH ROW WHEN (NEW.currency IS DISTINCT FROM OLD.currency)
    EXECUTE FUNCTION billing_account_keeps_its_currency();
"""

UNDO = """
DROP TRIGGER share_currency ON billing_transfer;
DROP TRIGGER keep_currency ON billing_account;
DROP FUNCTION billing_transfers_share_currency();
DROP FUNCTION billing_account_keeps_its_currency();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_find_usage_to_invoice")]
    operations = [
        migrations.RemoveConstraint(
            model_name='account',
            name='account_one_of_a_kind_of_the_house',
        ),
        migrations.AddField(
            model_name='account',
            name='currency',
            field=models.CharField(db_default='GLM', default='GLM', editable=False, help_text='GLM, or the symbol of the coin that pays gas.', max_length=8),
        ),
        migrations.AlterField(
            model_name='account',
            name='kind',
            field=models.CharField(choices=[('treasury', 'Treasury on chain'), ('available', 'Budget, available'), ('held', 'Budget, held'), ('payable', 'Payable to a node'), ('in_flight', 'Payouts in flight'), ('fees', 'Fees'), ('taxes', 'Taxes'), ('suspense', 'Suspense'), ('gas', 'Gas'), ('funding', 'Coin brought in')], max_length=12),
        ),
        migrations.AlterField(
            model_name='transfer',
            name='kind',
            field=models.CharField(choices=[('deposit', 'Deposit'), ('hold', 'Hold'), ('release', 'Release'), ('usage', 'Usage posted'), ('payout', 'Payout sent'), ('settlement', 'Payout final'), ('tax', 'Tax'), ('credit', 'Credit note'), ('gas', 'Gas'), ('funding', 'Coin brought in'), ('concession', 'Granted in a dispute'), ('counter', 'Counter-entry')], max_length=12),
        ),
        migrations.AddIndex(
            model_name='account',
            index=models.Index(condition=Q(('currency', 'GLM'), _negated=True), fields=['id'], name='account_in_coin'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=Q(('kind', 'treasury'), Q(('kind__in', ['funding', 'gas']), Q(('currency', 'GLM'), _negated=True)), Q(Q(('kind__in', ['funding', 'gas']), _negated=True), ('currency', 'GLM')), _connector='OR'), name='account_kind_has_its_currency'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=Q(('currency__regex', '^[A-Za-z0-9]{2,8}$')), name='account_currency_is_a_symbol'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.UniqueConstraint(condition=Q(('node', None), ('team', None)), fields=('kind', 'currency'), name='account_one_of_a_kind_of_the_house'),
        ),
        migrations.RunSQL(SHARE_CURRENCY, UNDO),
    ]
