"""Large payments wait for two operators, and PostgreSQL counts them.

A payment that needs approvals begins by waiting, and leaves that state for another than failed only when so
many approved it. An operator's word is given while it waits, once, by active staff, never by who asked for the
payment; the payment's row is locked by it, so that of two words at once the second sees the first.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from apps.billing.guards import approval_is_given_by_another, payment_waits_for_approval
from apps.billing.models import Approval, Payment
from apps.teams.guards import keep_rows, keep_states, write_once

RULES = f"""{payment_waits_for_approval("CREATE")}
CREATE TRIGGER begin_by_waiting BEFORE INSERT ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION billing_payment_waits_for_approval();
CREATE TRIGGER wait_for_approval BEFORE UPDATE OF state ON billing_payment
    FOR EACH ROW WHEN (OLD.state = 'waiting' AND NEW.state NOT IN ('waiting', 'failed'))
    EXECUTE FUNCTION billing_payment_waits_for_approval();
{approval_is_given_by_another("CREATE")}
CREATE TRIGGER given_by_another BEFORE INSERT ON billing_approval
    FOR EACH ROW EXECUTE FUNCTION billing_approval_is_given_by_another();
"""

UNDO = """
DROP TRIGGER begin_by_waiting ON billing_payment;
DROP TRIGGER wait_for_approval ON billing_payment;
DROP TRIGGER given_by_another ON billing_approval;
DROP FUNCTION billing_payment_waits_for_approval();
DROP FUNCTION billing_approval_is_given_by_another();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0026_find_transfers_under_way"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(choices=[('approved', 'Approved'), ('refused', 'Refused')], max_length=12)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ('payment', 'at'),
            },
        ),
        migrations.AlterModelOptions(
            name='payment',
            options={'ordering': ('-created_at',), 'permissions': (('approve_payment', 'Can approve large payments'),)},
        ),
        migrations.RemoveConstraint(
            model_name='payment',
            name='payment_moves_with_its_transaction',
        ),
        migrations.RemoveConstraint(
            model_name='payment',
            name='payment_ready_has_no_transaction',
        ),
        migrations.AddField(
            model_name='payment',
            name='approvals_needed',
            field=models.PositiveSmallIntegerField(default=0, editable=False, help_text='By so many operators; none where it is not large.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='escalated_at',
            field=models.DateTimeField(blank=True, help_text='When operators were told that it still waits for approval.', null=True),
        ),
        migrations.AddField(
            model_name='payment',
            name='requested_by',
            field=models.ForeignKey(blank=True, help_text="Whose word it goes out on, and who therefore can't approve it; nobody's for payouts.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='payment',
            name='state',
            field=models.CharField(choices=[('waiting', 'Waits for approval'), ('ready', 'Ready'), ('signed', 'Signed'), ('sent', 'Sent'), ('confirmed', 'Confirmed'), ('final', 'Final'), ('failed', 'Failed')], default='ready', max_length=12),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'ready', 'failed']), ('transaction__isnull', False), _connector='OR'), name='payment_moves_with_its_transaction'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['waiting', 'ready']), _negated=True), ('transaction', None), _connector='OR'), name='payment_ready_has_no_transaction'),
        ),
        migrations.AddField(
            model_name='approval',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='billing.payment'),
        ),
        migrations.AddField(
            model_name='approval',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(fields=('payment', 'user'), name='approval_once_per_person'),
        ),
        keep_states(Payment),
        write_once(Payment, "approvals_needed", "requested_by", because="it is what was asked", name="written_once_asked"),
        write_once(Approval, "payment", "user", "verdict", "reason", "at", because="it is an operator's word"),
        keep_rows(Approval, because="it is an operator's word"),
        migrations.RunSQL(RULES, UNDO),
    ]
