"""What a lost node offered: withdrawn while it is away, and back with it, as long as the offer is valid.

A Bee says its offers once on each link and signs new ones every half hour. One that was only silent for a
while says nothing again: so its offers wait in a state of their own.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.nodes.models import Offer, OfferState
from apps.teams.audit import Actor

SWEEP = Actor.queen("sweep")


def withdraw_of_lost(node_ids: Collection[str], *, reason: str) -> list[Offer]:
    """The live offers of nodes that are offline now; `reason` is why they are."""
    live = list(Offer.objects.filter(node__in=node_ids, state=OfferState.LIVE))
    why = f"its node is lost: {reason}"
    return Offer.move_all(live, OfferState.LOST, actor=SWEEP, reason=why, keep_deadline=True)


def relist(node_ids: Collection[str]) -> list[Offer]:
    """Those that wait for nodes that are back, unless their time is up or a newer one took their place."""
    newer = Offer.objects.filter(node=OuterRef("node"), runtime=OuterRef("runtime"), state=OfferState.LIVE)
    waiting = Offer.objects.filter(node__in=node_ids, state=OfferState.LOST, deadline_at__gt=timezone.now())
    return Offer.move_all(
        list(waiting.exclude(Exists(newer))),
        OfferState.LIVE,
        actor=SWEEP,
        reason="its node is back",
        keep_deadline=True,
    )
