"""Celery's view of the deployments: load and call."""

from __future__ import annotations

from celery import shared_task

from apps.deployments import edge, leases, traffic
from apps.deployments import reconcile as reconciling
from apps.deployments.ends.carrying_out import carry_out_ends
from apps.deployments.ends.growing_back import grow_back
from apps.deployments.plans import forgetting


@shared_task(name="deployments.reconcile")
def reconcile(replica_ids: list[str]) -> None:
    reconciling.reconcile_each(replica_ids)


@shared_task(name="deployments.reconcile_due")
def reconcile_due() -> None:
    reconciling.reconcile_due()


@shared_task(name="deployments.renew_leases")
def renew_leases() -> None:
    leases.renew_leases()
    carry_out_ends()
    grow_back()


@shared_task(name="deployments.publish_edge")
def publish_edge() -> None:
    edge.publish_edge()


@shared_task(name="deployments.count_edge_traffic")
def count_edge_traffic() -> None:
    traffic.count_edge_traffic()


@shared_task(name="deployments.forget_plans")
def forget_plans() -> None:
    forgetting.forget_plans()
