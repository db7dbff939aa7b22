import apps.billing.invoicing.billing_details
import apps.money
import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
import uuid
from decimal import Decimal
from django.db import migrations, models


# Invoices there are already were prepaid and without taxes. What kept them from being changed in any way is
# replaced in the next migration.
PREPAID = """
DROP TRIGGER keep_rows ON billing_invoice;
UPDATE billing_invoice
    SET net_glm = total_glm, due_at = issued_at, state_since = issued_at, state = 'paid', reason = 'prepaid';
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('an invoice is corrected by a credit note');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0005_keep_holds_under_their_key'),
        ('teams', '0004_tell_limited_tokens'),
    ]

    operations = [
        migrations.CreateModel(
            name='BillingDetails',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(blank=True, help_text="As on the invoice; else the team's.", max_length=120)),
                ('address', models.TextField(blank=True, max_length=500)),
                ('tax_id', models.CharField(blank=True, max_length=40)),
                ('email', models.EmailField(blank=True, help_text="Where reminders go; else to the team's owners.", max_length=254)),
                ('taxes', models.JSONField(blank=True, help_text='[{"name": "VAT", "percent": "19"}]; nothing: the usual ones; []: none.', null=True, validators=[apps.billing.invoicing.billing_details.taxes_are_right])),
                ('note', models.CharField(blank=True, help_text='Stands on each invoice: “Reverse charge”, and which law says so.', max_length=300)),
                ('is_monthly', models.BooleanField(default=True, help_text='An invoice is drawn up for each month.')),
                ('suspended_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('suspended_because', models.CharField(blank=True, editable=False, max_length=300)),
            ],
            options={
                'verbose_name_plural': 'billing details',
            },
        ),
        migrations.CreateModel(
            name='CreditNote',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.CharField(max_length=40, unique=True)),
                ('reason', models.CharField(max_length=300)),
                ('net_glm', apps.money.GlmField()),
                ('tax_glm', apps.money.GlmField(default=Decimal('0'))),
                ('total_glm', apps.money.GlmField()),
                ('taxes', models.JSONField(blank=True, default=list)),
                ('issued_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('signature', models.CharField(blank=True, max_length=132)),
            ],
            options={
                'ordering': ('-issued_at',),
            },
        ),
        migrations.AddField(
            model_name='invoice',
            name='credited_net_glm',
            field=apps.money.GlmField(default=Decimal('0'), editable=False, help_text='By credit notes: kept by them.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='credited_tax_glm',
            field=apps.money.GlmField(default=Decimal('0'), editable=False, help_text='By credit notes: kept by them.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='customer',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='invoice',
            name='deadline_at',
            field=models.DateTimeField(blank=True, help_text='By when it must have left this state; none for a final one.', null=True),
        ),
        migrations.AddField(
            model_name='invoice',
            name='due_at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name='invoice',
            name='issuer',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='invoice',
            name='net_glm',
            field=apps.money.GlmField(default=Decimal('0'), help_text='What was used; paid from the holds as it was used.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='note',
            field=models.TextField(blank=True, help_text='What the law wants said: reverse charge, for one.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='paid_glm',
            field=apps.money.GlmField(default=Decimal('0'), help_text='Of the taxes, since.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='reason',
            field=models.CharField(blank=True, help_text='Why it is in this state.', max_length=500),
        ),
        migrations.AddField(
            model_name='invoice',
            name='reminders',
            field=models.PositiveSmallIntegerField(default=0, help_text='How often it was asked for.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='signature',
            field=models.CharField(blank=True, help_text="The issuer's, over all of the above.", max_length=132),
        ),
        migrations.AddField(
            model_name='invoice',
            name='state',
            field=models.CharField(choices=[('issued', 'Issued'), ('overdue', 'Overdue'), ('paid', 'Paid')], default='issued', max_length=12),
        ),
        migrations.AddField(
            model_name='invoice',
            name='state_since',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax_glm',
            field=apps.money.GlmField(default=Decimal('0'), help_text='On top of it; due.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='taxes',
            field=models.JSONField(blank=True, default=list, help_text='Name, percent, base and amount of each.'),
        ),
        migrations.AlterField(
            model_name='account',
            name='kind',
            field=models.CharField(choices=[('treasury', 'Treasury on chain'), ('available', 'Budget, available'), ('held', 'Budget, held'), ('payable', 'Payable to a node'), ('in_flight', 'Payouts in flight'), ('fees', 'Fees'), ('taxes', 'Taxes'), ('suspense', 'Suspense')], max_length=12),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='issued_at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='lines',
            field=models.JSONField(help_text='One line per agreement: what, for which service, node, time, bytes, prices, cost, proof.'),
        ),
        migrations.AlterField(
            model_name='transfer',
            name='kind',
            field=models.CharField(choices=[('deposit', 'Deposit'), ('hold', 'Hold'), ('release', 'Release'), ('usage', 'Usage posted'), ('payout', 'Payout sent'), ('settlement', 'Payout final'), ('tax', 'Tax'), ('credit', 'Credit note'), ('counter', 'Counter-entry')], max_length=12),
        ),
        migrations.RunSQL(PREPAID, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('net_glm__gte', 0), ('tax_glm__gte', 0), ('total_glm', django.db.models.expressions.CombinedExpression(models.F('net_glm'), '+', models.F('tax_glm')))), name='invoice_adds_up'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('credited_net_glm__lte', models.F('net_glm')), ('credited_tax_glm__lte', models.F('tax_glm'))), name='invoice_credited_at_most_itself'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('paid_glm__gte', 0), ('paid_glm__lte', models.F('tax_glm'))), name='invoice_paid_at_most_its_taxes'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['paid']), ('deadline_at__isnull', False), _connector='OR'), name='invoice_has_deadline'),
        ),
        migrations.AddField(
            model_name='billingdetails',
            name='team',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='billing_details', to='teams.team'),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='billing.invoice'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('net_glm__gte', 0), ('tax_glm__gte', 0), ('total_glm', django.db.models.expressions.CombinedExpression(models.F('net_glm'), '+', models.F('tax_glm'))), ('total_glm__gt', 0)), name='credit_note_adds_up'),
        ),
    ]
