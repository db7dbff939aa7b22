"""Letting replicas go for want of money, in a way that is remembered: see `growing_back`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from apps.deployments import applying
from apps.deployments.ends.lacking import Lack
from apps.deployments.ends.moving import MONEY
from apps.deployments.models import Deployment, Service


def locked_services(deployment: Deployment) -> list[Service]:
    """All at once and in order: whoever scales locks a service before the replicas of all of them."""
    return list(deployment.services.select_for_update().select_related("deployment").order_by("name"))


def take(deployment: Deployment, gone: Collection[Lack], *, why: str) -> list[Lack]:
    """Scale down by those that go. Returns those of them that went.

    The others stay until the next look: somebody has scaled their service since they were chosen, or its last
    replica, which would go in their place, is just being placed.
    """
    taken: set[str] = set()
    fewer = Counter(lack.service for lack in gone)
    last = {lack.service: max(each.index for each in gone if each.service == lack.service) for lack in gone}
    for service in locked_services(deployment):
        if service.replicas_wanted == last.get(service.name):
            applying.scale(
                service,
                service.replicas_wanted - fewer[service.name],
                actor=MONEY,
                why=f"so that the money lasts for the rest: {why}",
                taken=service.taken + fewer[service.name],
            )
            taken.add(service.name)
    return [lack for lack in gone if lack.service in taken]
