import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

import apps.money


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0010_name_issuers_of_proposals"),
        ("teams", "0003_guard_rows"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "providers",
                    models.JSONField(blank=True, default=list, help_text="Node ids that alone may serve."),
                ),
                (
                    "images",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Digests that alone may run: sha256:... or sha3-256:...",
                    ),
                ),
                (
                    "signers",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Public keys, one of which must have signed an image.",
                    ),
                ),
                (
                    "limit_glm",
                    apps.money.GlmField(blank=True, help_text="It may spend so much in all.", null=True),
                ),
                (
                    "limit_per_day_glm",
                    apps.money.GlmField(
                        blank=True, help_text="It may spend so much from midnight UTC.", null=True
                    ),
                ),
                (
                    "limit_per_hour_glm",
                    apps.money.GlmField(
                        blank=True, help_text="All that runs under it may cost so much an hour.", null=True
                    ),
                ),
                ("requests_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="policy",
                        to="teams.apitoken",
                    ),
                ),
            ],
            options={
                "verbose_name": "key",
                "verbose_name_plural": "key policies",
                "ordering": ("-token__created_at",),
                "constraints": [
                    models.CheckConstraint(
                        name="key_limits_not_negative",
                        condition=(Q(limit_glm=None) | Q(limit_glm__gte=0))
                        & (Q(limit_per_day_glm=None) | Q(limit_per_day_glm__gte=0))
                        & (Q(limit_per_hour_glm=None) | Q(limit_per_hour_glm__gte=0))
                        & (Q(requests_per_minute=None) | Q(requests_per_minute__gte=1)),
                    )
                ],
            },
        ),
    ]
