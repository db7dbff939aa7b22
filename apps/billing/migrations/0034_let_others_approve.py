"""Who may approve a payment, to the last case, by PostgreSQL's own word.

Neither who asked for the withdrawal that it pays, nor who owns the node it goes to; only operators with the
permission for it; and who is none any more by the time the payment is let go does not count.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from apps.billing.models import Withdrawal
from apps.teams.guards import write_once

RULES = """
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

CREATE OR REPLACE FUNCTION billing_payment_waits_for_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.approvals_needed > 0) <> (NEW.state = 'waiting') THEN
            RAISE EXCEPTION 'a payment that needs approvals begins by waiting for them, and no other does'
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF (SELECT count(*) FROM billing_approval WHERE payment_id = OLD.id AND verdict = 'approved'
            AND billing_may_approve_payments(user_id)) < OLD.approvals_needed THEN
        RAISE EXCEPTION 'payment % needs the approval of % operators', OLD.id, OLD.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_approval_is_given_by_another() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payment billing_payment%ROWTYPE;
BEGIN
    SELECT * INTO payment FROM billing_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF payment.state <> 'waiting' THEN
        RAISE EXCEPTION 'payment % waits for nobody''s approval', payment.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF payment.requested_by_id = NEW.user_id OR EXISTS (
        SELECT FROM billing_withdrawal WHERE payment_id = payment.id AND requested_by_id = NEW.user_id
    ) THEN
        RAISE EXCEPTION 'who asked for a payment can''t approve it' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM nodes_node WHERE id = payment.node_id AND owner_id = NEW.user_id) THEN
        RAISE EXCEPTION 'nobody approves the payment of their own node' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT billing_may_approve_payments(NEW.user_id) THEN
        RAISE EXCEPTION 'operators alone approve payments' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

UNDO = """
CREATE OR REPLACE FUNCTION billing_payment_waits_for_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.approvals_needed > 0) <> (NEW.state = 'waiting') THEN
            RAISE EXCEPTION 'a payment that needs approvals begins by waiting for them, and no other does'
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF (SELECT count(*) FROM billing_approval WHERE payment_id = OLD.id AND verdict = 'approved')
            < OLD.approvals_needed THEN
        RAISE EXCEPTION 'payment % needs the approval of % operators', OLD.id, OLD.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_approval_is_given_by_another() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payment billing_payment%ROWTYPE;
BEGIN
    SELECT * INTO payment FROM billing_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF payment.state <> 'waiting' THEN
        RAISE EXCEPTION 'payment % waits for nobody''s approval', payment.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF payment.requested_by_id = NEW.user_id THEN
        RAISE EXCEPTION 'who asked for a payment can''t approve it' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM teams_user WHERE id = NEW.user_id AND is_active AND is_staff) THEN
        RAISE EXCEPTION 'operators alone approve payments' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

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
