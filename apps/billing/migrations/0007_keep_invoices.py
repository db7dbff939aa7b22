"""The paper is written once; what becomes of it moves by its own ways; no more is credited than was asked."""

from django.db import migrations

from apps.billing.models import CreditNote, Invoice
from apps.teams.guards import keep_rows, keep_states, never_fall, write_once

PAPER = (
    "number",
    "team",
    "period_start",
    "period_end",
    "net_glm",
    "tax_glm",
    "total_glm",
    "lines",
    "taxes",
    "issuer",
    "customer",
    "note",
    "issued_at",
    "due_at",
    "signature",
)
CREDIT = ("number", "invoice", "reason", "net_glm", "tax_glm", "total_glm", "taxes", "issued_at", "signature")
BECAUSE = "an invoice is corrected by a credit note"

# The sums of the credit notes stand on the invoice, where a CHECK holds them to the invoice's own.
CREDITED = """
CREATE FUNCTION billing_credit_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE billing_invoice
        SET credited_net_glm = credited_net_glm + NEW.net_glm, credited_tax_glm = credited_tax_glm + NEW.tax_glm
        WHERE id = NEW.invoice_id;
    RETURN NULL;
END $$;

CREATE TRIGGER credit_invoice AFTER INSERT ON billing_creditnote
    FOR EACH ROW EXECUTE FUNCTION billing_credit_invoice();

CREATE FUNCTION billing_credited_by_notes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Depth 1 is an UPDATE somebody wrote; the trigger on credit notes comes in at depth 2.
    IF (NEW.credited_net_glm, NEW.credited_tax_glm) IS DISTINCT FROM (OLD.credited_net_glm, OLD.credited_tax_glm)
        AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what is credited is the sum of the credit notes: write one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER credited_by_notes BEFORE UPDATE OF credited_net_glm, credited_tax_glm ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_credited_by_notes();
"""
UNDO = """
DROP TRIGGER credit_invoice ON billing_creditnote;
DROP TRIGGER credited_by_notes ON billing_invoice;
DROP FUNCTION billing_credit_invoice();
DROP FUNCTION billing_credited_by_notes();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_invoices_with_taxes_and_states")]
    operations = [
        migrations.RunSQL("DROP TRIGGER keep_table ON billing_invoice", migrations.RunSQL.noop),
        keep_rows(Invoice, because=BECAUSE),
        keep_states(Invoice),
        # An empty note is not set by the guard's measure, so it is kept by the signature instead.
        write_once(Invoice, *PAPER, because=BECAUSE),
        never_fall(Invoice, "paid_glm", "reminders", because="what was paid or asked for was"),
        keep_rows(CreditNote, because="a credit note is given once"),
        write_once(CreditNote, *CREDIT, because="a credit note is given once"),
        migrations.RunSQL(CREDITED, UNDO),
    ]
