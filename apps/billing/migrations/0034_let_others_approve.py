"""Who may approve a payment, to the last case, by PostgreSQL's own word.

Neither who asked for the withdrawal that it pays, nor who owns the node it goes to; only operators with the
permission for it; and who is none any more by the time the payment is let go does not count.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from apps.billing.guards import approval_is_given_by_another, payment_waits_for_approval
from apps.billing.models import Withdrawal
from apps.teams.guards import write_once

REPLACE = "CREATE OR REPLACE"
TOO_FEW = """(SELECT count(*) FROM billing_approval WHERE payment_id = OLD.id AND verdict = 'approved'
            AND billing_may_approve_payments(user_id)) < OLD.approvals_needed"""
ASKED_FOR_IT = """payment.requested_by_id = NEW.user_id OR EXISTS (
        SELECT FROM billing_withdrawal WHERE payment_id = payment.id AND requested_by_id = NEW.user_id
    )"""
IS_OPERATOR = "billing_may_approve_payments(NEW.user_id)"
OWN_NODE = """\
    IF EXISTS (SELECT FROM nodes_node WHERE id = payment.node_id AND owner_id = NEW.user_id) THEN
        RAISE EXCEPTION 'nobody approves the payment of their own node' USING ERRCODE = 'restrict_violation';
    END IF;
"""

RULES = f"""
CREATE FUNCTION billing_may_approve_payments(person bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM teams_user AS operator
        WHERE operator.id = person AND operator.is_active AND operator.is_staff AND (
            operator.is_superuser
            OR EXISTS (
                SELECT FROM auth_permission AS permission
                JOIN django_content_type AS kind ON kind.id = permission.content_type_id
                WHERE kind.app_label = 'billing' AND permission.codename = 'approve_payment' AND (
                    EXISTS (
                        SELECT FROM teams_user_user_permissions AS own
                        WHERE own.permission_id = permission.id AND own.user_id = operator.id
                    )
                    OR EXISTS (
                        SELECT FROM auth_group_permissions AS granted
                        JOIN teams_user_groups AS membership ON membership.group_id = granted.group_id
                        WHERE granted.permission_id = permission.id AND membership.user_id = operator.id
                    )
                )
            )
        )
    )
$$;
{payment_waits_for_approval(REPLACE, too_few=TOO_FEW)}{approval_is_given_by_another(REPLACE, asked_for_it=ASKED_FOR_IT, is_operator=IS_OPERATOR, more=OWN_NODE)}"""

UNDO = f"""{payment_waits_for_approval(REPLACE)}{approval_is_given_by_another(REPLACE)}
DROP FUNCTION billing_may_approve_payments(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0033_suspend_until_paid_or_by_hand"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name='withdrawal',
            name='requested_by',
            field=models.ForeignKey(blank=True, help_text="Who asked for it, and therefore can't approve its payment; nobody known for old ones.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        write_once(Withdrawal, "requested_by", because="it is who asked", name="written_once_requested_by"),
        migrations.RunSQL(RULES, UNDO),
    ]
