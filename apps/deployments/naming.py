"""What an agreement was for, as invoices say it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from apps.billing.invoicing.naming import Purpose
from apps.deployments.models import Assignment


def purposes_of(agreement_ids: Collection[UUID]) -> Mapping[UUID, Purpose]:
    rows = Assignment.objects.filter(agreement__in=agreement_ids).values_list(
        "agreement",
        "replica__service__deployment__name",
        "replica__service__name",
        "replica__index",
    )
    return {
        agreement: Purpose(deployment, service, f"{service}-{index}")
        for agreement, deployment, service, index in rows
    }
