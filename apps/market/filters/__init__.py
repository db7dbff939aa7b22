"""Golem's filter language: constraints over the properties of an offer.

`parse` reads a text into a `tree`, `sql` makes a condition of it, `known` says which properties are the
Queen's own columns, `advice` tells slips of the pen. `tree.holds` is the meaning that all of it agrees with.
"""

from __future__ import annotations

from uuid import UUID

from apps.market.filters.parse import parse
from apps.market.filters.problems import FilterError as FilterError
from apps.market.filters.sql import to_q
from apps.nodes.models import Offer, OfferState


def ids_meeting(text: str) -> set[UUID]:
    """The live offers that meet a filter; in one query.

    Raises FilterError.
    """
    live = Offer.objects.filter(to_q(parse(text)), state=OfferState.LIVE).order_by()
    return set(live.values_list("id", flat=True))
