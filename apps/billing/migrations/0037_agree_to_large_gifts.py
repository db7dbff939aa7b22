"""Two operators agree to a large credit note, and to a large grant in a dispute, as they do to payments.

An operator's word may be on an invoice or a dispute, for a sum in all. PostgreSQL refuses it from who may not
approve, gets the money or belongs to the team; and it takes a credit note, and a grant that rises, only with the
words of as many operators as it says it needs, each for as much in all, of those who are such operators still.
"""

import django.db.models.deletion
from django.db import migrations, models

import apps.money
from apps.billing.models import Approval, Dispute
from apps.teams.guards import never_fall, write_once

RULES = """
CREATE FUNCTION billing_approval_of_a_gift() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM billing_dispute AS dispute
        JOIN market_agreement AS agreement ON agreement.id = dispute.agreement_id
        JOIN nodes_node AS node ON node.id = agreement.node_id
        WHERE dispute.id = NEW.dispute_id AND node.owner_id = NEW.user_id
    ) THEN
        RAISE EXCEPTION 'nobody agrees to what their own node is granted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (
        SELECT FROM billing_invoice AS invoice
        JOIN teams_member AS member ON member.team_id = invoice.team_id
        WHERE invoice.id = NEW.invoice_id AND member.user_id = NEW.user_id
    ) THEN
        RAISE EXCEPTION 'nobody agrees to what their own team is credited' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER given_to_others BEFORE INSERT ON billing_approval
    FOR EACH ROW WHEN (NEW.payment_id IS NULL) EXECUTE FUNCTION billing_approval_of_a_gift();

CREATE FUNCTION billing_credit_is_agreed_to() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER agreed_to BEFORE INSERT ON billing_creditnote
    FOR EACH ROW WHEN (NEW.approvals_needed > 0) EXECUTE FUNCTION billing_credit_is_agreed_to();

CREATE FUNCTION billing_grant_is_agreed_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(DISTINCT user_id) FROM billing_approval
        WHERE dispute_id = NEW.id AND verdict = 'approved' AND upto_glm >= NEW.granted_glm
            AND billing_may_approve_payments(user_id)) < NEW.approvals_needed THEN
        RAISE EXCEPTION 'this grant needs the word of % operators', NEW.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER agreed_to BEFORE UPDATE OF granted_glm ON billing_dispute
    FOR EACH ROW WHEN (NEW.approvals_needed > 0 AND NEW.granted_glm > OLD.granted_glm)
    EXECUTE FUNCTION billing_grant_is_agreed_to();
"""

UNDO = """
DROP TRIGGER given_to_others ON billing_approval;
DROP TRIGGER agreed_to ON billing_creditnote;
DROP TRIGGER agreed_to ON billing_dispute;
DROP FUNCTION billing_approval_of_a_gift();
DROP FUNCTION billing_credit_is_agreed_to();
DROP FUNCTION billing_grant_is_agreed_to();
"""

NEEDED = {"db_default": 0, "default": 0, "editable": False}
OF_ONE_THING = (
    models.Q(("dispute", None), ("invoice", None), ("payment__isnull", False), ("upto_glm", None)),
    models.Q(("dispute", None), ("invoice__isnull", False), ("payment", None), ("upto_glm__gt", 0)),
    models.Q(("dispute__isnull", False), ("invoice", None), ("payment", None), ("upto_glm__gt", 0)),
)


def word_on(model: str, **changes: object) -> models.Field:
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="approvals",
        to=f"billing.{model}",
        **changes,
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0036_move_deposits_faster")]
    operations = [
        migrations.AlterField(model_name="approval", name="payment", field=word_on("payment")),
        migrations.AddField(model_name="approval", name="invoice", field=word_on("invoice")),
        migrations.AddField(model_name="approval", name="dispute", field=word_on("dispute")),
        migrations.AddField(
            model_name="approval",
            name="upto_glm",
            field=apps.money.GlmField(
                blank=True,
                help_text="May be credited of the invoice, or granted in the dispute, in all.",
                null=True,
                verbose_name="up to",
            ),
        ),
        migrations.AddField(
            model_name="creditnote",
            name="approvals_needed",
            field=models.PositiveSmallIntegerField(
                **NEEDED, help_text="So many operators agreed; none where it is not large."
            ),
        ),
        migrations.AddField(
            model_name="dispute",
            name="approvals_needed",
            field=models.PositiveSmallIntegerField(
                **NEEDED, help_text="So many operators agreed to what is granted; none where it is not large."
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(*OF_ONE_THING, _connector="OR"), name="approval_is_of_one_thing"
            ),
        ),
        write_once(
            Approval,
            *("invoice", "dispute", "upto_glm"),
            because="it is an operator's word",
            name="written_once_sum",
        ),
        never_fall(Dispute, "approvals_needed", because="so many had to agree"),
        migrations.RunSQL(RULES, UNDO),
    ]
