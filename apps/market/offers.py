"""The offers that can be taken now."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from apps.nodes.models import NodeState, Offer, OfferState, Scheduling


def live() -> QuerySet[Offer]:
    """Of nodes that are approved, online and open."""
    takes_work = {
        "node__approved_at__isnull": False,
        "node__state": NodeState.ONLINE,
        "node__scheduling": Scheduling.OPEN,
    }
    return Offer.objects.filter(state=OfferState.LIVE, deadline_at__gt=timezone.now(), **takes_work)


def live_offers() -> list[Offer]:
    """Each with its node and its benchmark."""
    return list(live().select_related("node__benchmark"))
