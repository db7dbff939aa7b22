"""Rating at ten thousand reports a second: a meter to read instead of a history, and guards that cost nothing.

1. Where the meter of each agreement stands is a row. It only ever goes on.
2. The guards of usage are called for what they refuse alone: their conditions moved from the functions, which
   ran for every row, into the triggers. What they refuse is the same.
3. The index for what is to be rated has it in the order in which it is rated; that of the agreement alone goes,
   for the one of (agreement, sequence) begins with it.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from apps.billing.models import MeterReading
from apps.teams.guards import keep_rows

GOES_ON = """
CREATE TRIGGER goes_on BEFORE UPDATE ON billing_meterreading
    FOR EACH ROW WHEN (
        NEW.agreement_id <> OLD.agreement_id OR NEW.sequence < OLD.sequence OR NEW.ended_at_ms < OLD.ended_at_ms
        OR NEW.egress_bytes < OLD.egress_bytes OR NEW.egress_billed_bytes < OLD.egress_billed_bytes
        OR NEW.has_run < OLD.has_run
    )
    EXECUTE FUNCTION hive_refuse_change('a meter only goes on');
"""
STANDS_STILL = "DROP TRIGGER goes_on ON billing_meterreading"

CALLED_TO_REFUSE = """
DROP TRIGGER written_once ON billing_usagerecord;
DROP TRIGGER keep_states ON billing_usagerecord;
CREATE TRIGGER written_once BEFORE UPDATE ON billing_usagerecord
    FOR EACH ROW WHEN (
        (NEW.agreement_id, NEW.sequence, NEW.previous_hash, NEW.hash, NEW.signature, NEW.started_at_ms,
            NEW.ended_at_ms, NEW.running_ms, NEW.cpu_ms, NEW.egress_bytes, NEW.final)
        IS DISTINCT FROM
        (OLD.agreement_id, OLD.sequence, OLD.previous_hash, OLD.hash, OLD.signature, OLD.started_at_ms,
            OLD.ended_at_ms, OLD.running_ms, OLD.cpu_ms, OLD.egress_bytes, OLD.final)
        OR OLD.state = 'posted' AND
        (NEW.state, NEW.billed_running_ms, NEW.billed_cpu_ms, NEW.billed_egress_bytes, NEW.cost_glm)
        IS DISTINCT FROM
        (OLD.state, OLD.billed_running_ms, OLD.billed_cpu_ms, OLD.billed_egress_bytes, OLD.cost_glm)
        OR OLD.invoice_id IS NOT NULL AND NEW.invoice_id IS DISTINCT FROM OLD.invoice_id
    )
    EXECUTE FUNCTION billing_usage_is_written_once();
CREATE TRIGGER keep_new_states BEFORE INSERT ON billing_usagerecord
    FOR EACH ROW WHEN (NEW.state NOT IN ('received', 'posted'))
    EXECUTE FUNCTION hive_keep_states('{"posted": [], "received": ["posted"]}');
CREATE TRIGGER keep_states BEFORE UPDATE OF state ON billing_usagerecord
    FOR EACH ROW WHEN (NEW.state <> OLD.state AND (OLD.state, NEW.state) <> ('received', 'posted'))
    EXECUTE FUNCTION hive_keep_states('{"posted": [], "received": ["posted"]}');
"""
ALWAYS_CALLED = """
DROP TRIGGER written_once ON billing_usagerecord;
DROP TRIGGER keep_new_states ON billing_usagerecord;
DROP TRIGGER keep_states ON billing_usagerecord;
CREATE TRIGGER written_once BEFORE UPDATE ON billing_usagerecord
    FOR EACH ROW EXECUTE FUNCTION billing_usage_is_written_once();
CREATE TRIGGER keep_states BEFORE INSERT OR UPDATE OF state ON billing_usagerecord
    FOR EACH ROW EXECUTE FUNCTION hive_keep_states('{"posted": [], "received": ["posted"]}');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0022_book_gas"),
        ("market", "0012_limit_the_other_prices"),
        ("teams", "0003_guard_rows"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterReading",
            fields=[
                (
                    "agreement",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="meter",
                        serialize=False,
                        to="market.agreement",
                    ),
                ),
                ("sequence", models.PositiveIntegerField(help_text="Of the newest report that is rated.")),
                (
                    "ended_at_ms",
                    models.BigIntegerField(help_text="The latest end that a rated report claims."),
                ),
                (
                    "has_run",
                    models.BooleanField(help_text="Something was billed: the start price is paid."),
                ),
                (
                    "egress_bytes",
                    models.DecimalField(decimal_places=0, help_text="Reported by the Bee.", max_digits=38),
                ),
                ("egress_billed_bytes", models.DecimalField(decimal_places=0, max_digits=38)),
            ],
        ),
        migrations.RunSQL(GOES_ON, STANDS_STILL),
        keep_rows(MeterReading, because="rating goes on from it"),
        migrations.RunSQL(CALLED_TO_REFUSE, ALWAYS_CALLED),
        migrations.RemoveIndex(model_name="usagerecord", name="usage_to_rate"),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                condition=Q(("state", "received")), fields=["agreement", "sequence"], name="usage_to_rate"
            ),
        ),
        migrations.AlterField(
            model_name="usagerecord",
            name="agreement",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="usage",
                to="market.agreement",
            ),
        ),
    ]
