"""Each deployment counts under a cap of its own, without a limit at first; its holds so far count there too."""

import django.db.models.deletion
from django.db import migrations, models

CAP_ALL = """
INSERT INTO billing_budgetcap (
    id, budget_id, reference, name, state, reason, state_since, per, at_end, used_glm, base_glm, needed_glm,
    period_start, created_at
)
SELECT gen_random_uuid(), budget_id, 'deployment:' || id, name, 'funded', '', now(), 'in all', '', 0, 0, 0, now(), now()
FROM deployments_deployment;

UPDATE deployments_deployment AS deployment SET cap_id = cap.id
FROM billing_budgetcap AS cap WHERE cap.reference = 'deployment:' || deployment.id;

UPDATE billing_hold AS hold SET cap_id = deployment.cap_id
FROM deployments_replica AS replica
    JOIN deployments_service AS service ON service.id = replica.service_id
    JOIN deployments_deployment AS deployment ON deployment.id = service.deployment_id
WHERE hold.reference LIKE 'replica:%' AND split_part(hold.reference, ':', 2) = replica.id::text;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_keep_caps"), ("deployments", "0007_keep_planned_prices")]
    operations = [
        migrations.AddField(
            model_name="deployment",
            name="cap",
            field=models.OneToOneField(
                help_text="All that is held for it counts there; how its money ends stands there too.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.budgetcap",
            ),
        ),
        migrations.RunSQL(CAP_ALL, migrations.RunSQL.noop),
    ]
