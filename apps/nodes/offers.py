"""What Bees offer for rent: checked, stored, withdrawn when a newer set leaves them out."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from agent import protocol, typed_data
from apps.money import price_columns, round_glm
from apps.nodes.models import STANDING, Node, Offer, OfferState
from apps.nodes.offered_properties import fault_of_properties
from apps.nodes.sizes import Size
from apps.teams.audit import Actor
from apps.teams.states import StaleState

logger = logging.getLogger("hive.nodes")

MOST = Decimal(1_000_000)
"""Threads, GiB, GLM per unit: whatever is above is a mistake and would not fit its column."""
LONGEST_VALID_S = 365 * 24 * 3600
MOST_NEW = 240
"""New offers of one node within `MOST_OFF_S`: each is a row and a point of the history of prices for good."""
MOST_OFF_S = 3600
"""An offer is dated by the Queen's clock when it is made, and sent at once (see `agent/clock.py`)."""


def publish_offers(*, node_id: str, offers: Iterable[protocol.Offer]) -> list[str]:
    """Make these the node's live offers. Returns what was wrong with those that were left out.

    An offer that is live already stays as it is: sending it again does not extend it.
    """
    faults = dict[str, str | None]()
    good = dict[uuid.UUID, protocol.Offer]()
    for offer in islice(offers, protocol.MAX_OFFERS):
        taken = {one.runtime for one in good.values()}
        faults[offer.offer_id] = wrong = _fault_of_runtime(offer, taken) or fault(offer, node_id=node_id)
        if wrong is None:
            good[uuid.UUID(offer.offer_id)] = offer
    with transaction.atomic():
        node = Node.objects.select_for_update().get(pk=node_id)
        live = _withdraw_others(node, keep=set(good))
        room = MOST_NEW - _lately(node) if good.keys() - live else 0
        for offer_id, offer in good.items():
            if offer_id in live:
                continue
            if wrong := _fault_of_date(offer) or _fault_of_pace(room):
                faults[offer.offer_id] = wrong
            else:
                _store(node, offer)
                room -= 1
        _measure(node)
    complaints = [f"offer {offer_id}: {what}" for offer_id, what in faults.items() if what]
    if complaints:
        logger.warning("node %s: %s", node_id, "; ".join(complaints)[:1000])
    return complaints


def already_live(offered: Mapping[str, Collection[protocol.Offer]]) -> set[str]:
    """Of these nodes, those whose live offers are exactly the ones they name now; in one query."""
    live = defaultdict[str, set[str]](set)
    rows = Offer.objects.filter(node__in=offered.keys(), state=OfferState.LIVE)
    for node_id, offer_id in rows.values_list("node_id", "id"):
        live[node_id].add(str(offer_id))
    return {node_id for node_id, named in offered.items() if live[node_id] == {one.offer_id for one in named}}


def expire_offers() -> int:
    """End the offers whose time has run out. Returns how many; one that is withdrawn just now is not ours."""
    late = Offer.objects.filter(state__in=STANDING, deadline_at__lte=timezone.now())
    expired = 0
    for offer in late:
        with suppress(StaleState):
            offer.move_to(OfferState.EXPIRED, actor=Actor.queen("sweep"), reason="its time ran out")
            expired += 1
    return expired


def _fault_of_runtime(offer: protocol.Offer, taken: Collection[str]) -> str | None:
    """Asked before any signature is looked at, which is dear."""
    if offer.runtime not in protocol.RUNTIMES:
        return f"runtime: expected one of {', '.join(protocol.RUNTIMES)}, got {offer.runtime[:40]!r}"
    return f"runtime: {offer.runtime} is offered twice" if offer.runtime in taken else None


def _fault_of_date(offer: protocol.Offer) -> str | None:
    """Of one that is new: one that is live is sent again as long as it lasts."""
    off_s = offer.issued_at_ms / 1000 - timezone.now().timestamp()
    if abs(off_s) <= MOST_OFF_S:
        return None
    return f"issued_at_ms: expected an instant within {MOST_OFF_S} s of the Hive's, is off by {off_s:.0f} s"


def _fault_of_pace(room: int) -> str | None:
    if room > 0:
        return None
    return f"expected at most {MOST_NEW} new offers an hour: send what is live, or wait"


def _lately(node: Node) -> int:
    """How many were new within `MOST_OFF_S`; their own dates may lie as far back once more."""
    return node.offers.filter(issued_at__gte=timezone.now() - timedelta(seconds=2 * MOST_OFF_S)).count()


def fault(offer: protocol.Offer, *, node_id: str) -> str | None:
    """What is wrong with an offer as it came over the wire, or None."""
    sizes = {
        "cpu_threads": offer.cpu_threads,
        "mem_gib": offer.mem_gib,
        "storage_gib": offer.storage_gib,
    }
    for name, value in sizes.items():
        if not (value.is_finite() and 0 <= value <= MOST and value == round(value, 3)):
            return f"{name}: expected at most {MOST} in steps of 0.001, got {value}"
    price_fault = fault_of_price(offer.price)
    if price_fault:
        return price_fault
    if not 0 < offer.valid_s <= LONGEST_VALID_S:
        return f"valid_s: expected at most {LONGEST_VALID_S}, got {offer.valid_s}"
    return fault_of_properties(offer) or _fault_of_identity(offer, node_id=node_id)


def fault_of_price(price: protocol.Price) -> str | None:
    """A price that the ledger could not hold to the last digit, or that pays the buyer, is none."""
    for name in price.__struct_fields__:
        value = getattr(price, name)
        if not (value.is_finite() and 0 <= value <= MOST and value == round_glm(value)):
            return f"price.{name}: expected 0 to {MOST} GLM with at most 18 places, got {value}"
    return None


def _fault_of_identity(offer: protocol.Offer, *, node_id: str) -> str | None:
    try:
        canonical = str(uuid.UUID(offer.offer_id)) == offer.offer_id
        datetime.fromtimestamp(offer.issued_at_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return "offer_id must be a UUID and issued_at_ms an instant"
    if not canonical or len(offer.runtime) > 40 or offer.issued_at_ms < 0:
        return "offer_id must be a UUID in lower case, runtime at most 40 characters"
    try:
        message = typed_data.offer(offer, node=node_id, chain_id=settings.HIVE_CHAIN_ID)
    except (ValueError, RecursionError):
        return "properties: can't be written down as the JSON that is signed"
    if not typed_data.is_signed_by(message, offer.signature, node_id):
        return f"not signed by {node_id} for chain {settings.HIVE_CHAIN_ID}"
    return None


def _withdraw_others(node: Node, *, keep: set[uuid.UUID]) -> set[uuid.UUID]:
    """Returns those that stay."""
    standing = {offer.id: offer for offer in node.offers.filter(state__in=STANDING)}
    for offer_id in standing.keys() - keep:
        with suppress(StaleState):  # the sweep found that its time had run out
            standing[offer_id].move_to(
                OfferState.WITHDRAWN, actor=Actor.node(node.id), reason="left out of the newest set"
            )
    return standing.keys() & keep


def _store(node: Node, offer: protocol.Offer) -> None:
    """A withdrawn or expired offer stays so: its id can't come back, nor can another node's be taken."""
    now = timezone.now()
    Offer.objects.get_or_create(
        id=uuid.UUID(offer.offer_id),
        defaults={
            "node": node,
            "runtime": offer.runtime,
            "cpu_threads": offer.cpu_threads,
            "mem_gib": offer.mem_gib,
            "storage_gib": offer.storage_gib,
            "gpus": offer.gpus,
            **price_columns(offer.price),
            "properties": offer.properties,
            "issued_at": datetime.fromtimestamp(offer.issued_at_ms / 1000, tz=UTC),
            "deadline_at": now + timedelta(seconds=offer.valid_s),
            "signature": offer.signature,
        },
    )


def _measure(node: Node) -> None:
    """The node is as large as its largest offer, but never smaller than what is claimed of it."""
    standing = list(node.offers.filter(state__in=STANDING))
    largest = {
        what: max((getattr(offer, what) for offer in standing), default=0)
        for what in Size.__dataclass_fields__
    }
    Node.objects.filter(pk=node.pk).update(
        **{what: Greatest(Value(much), F(f"{what}_claimed")) for what, much in largest.items()}
    )
