"""Telling the edge where the healthy replicas are: files for Envoy in `settings.HIVE_EDGE_DIR`.

Routed are the replicas that are healthy in their current generation under a lease in force, on a node that is
online or unknown: a Bee that is silent may be working, and Envoy's own health check sees whether it is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.deployments import envoy
from apps.deployments.endpoints import parse_endpoint
from apps.deployments.envoy import Backend
from apps.deployments.models import Service, Wanted
from apps.deployments.replicas import ROUTED_STATES, Assignment, AssignmentState
from apps.locks import queue_for
from apps.nodes.models import NodeState
from apps.work import enqueue


def publish_edge() -> bool:
    """Bring the files up to date; whether anything had changed."""
    with transaction.atomic():
        queue_for("deployments.publish_edge")  # whoever writes last has read the newest rows
        return write(backends(), folder=settings.HIVE_EDGE_DIR)


def publish_soon() -> None:
    """Once this transaction is committed. Beat does the same every second, should the task be lost."""
    enqueue("deployments.publish_edge")


def backends() -> list[Backend]:
    """Every service of a running deployment that has a host name, with its routed replicas."""
    services = Service.objects.filter(deployment__wanted=Wanted.RUNNING, host__isnull=False).order_by("pk")
    endpoints = _endpoints()
    return [
        Backend(
            name=service.pk.hex,
            host=service.host or "",
            health_path=_health_path(service),
            endpoints=tuple(sorted(endpoints[service.pk])),
        )
        for service in services
    ]


def _health_path(service: Service) -> str | None:
    health = service.wants.health
    return health.path if health and health.kind == "http" else None


def _endpoints() -> dict[UUID, set[tuple[str, int]]]:
    routed = Assignment.objects.filter(
        state=AssignmentState.ACTIVE,
        generation=F("replica__generation"),
        replica__state__in=ROUTED_STATES,
        replica__leaving_at=None,
        node__state__in=[NodeState.ONLINE, NodeState.UNKNOWN],
        lease_until__gt=timezone.now(),
        endpoint_fault="",
    )
    found: dict[UUID, set[tuple[str, int]]] = defaultdict(set)
    for service_id, endpoint in routed.values_list("replica__service", "endpoint"):
        if address := parse_endpoint(endpoint):
            found[service_id].add(address)
    return found


def write(backends: Iterable[Backend], *, folder: Path) -> bool:
    """Endpoints and clusters first, then the routes to them; whether anything had changed."""
    backends = envoy.expressible(backends)
    eds = folder / "eds"
    eds.mkdir(parents=True, exist_ok=True)
    changed = [_publish(eds / f"{one.name}.json", [envoy.endpoints(one)]) for one in backends]
    clusters = [envoy.cluster(backend, folder=folder) for backend in backends]
    changed.append(_publish(folder / "cds.json", clusters))
    changed.append(_publish(folder / "rds.json", [envoy.routes(backends)]))
    for stale in set(eds.glob("*.json")) - {eds / f"{one.name}.json" for one in backends}:
        stale.unlink(missing_ok=True)
    return any(changed)


def _publish(path: Path, items: list[dict[str, Any]]) -> bool:
    """Write only what is new: Envoy takes a renamed file for a change."""
    version = hashlib.sha256(json.dumps(items).encode()).hexdigest()[:16]
    content = json.dumps(envoy.resources(items, version=version), indent=1)
    if path.exists() and path.read_text() == content:
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(content)
    draft.rename(path)
    return True
