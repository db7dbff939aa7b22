"""Golem's filter language: constraints over the properties of an offer.

`parse` reads a text into a `tree`, `sql` makes a condition of it, `known` says which properties are the
Queen's own columns, `advice` tells slips of the pen. `tree.holds` is the meaning that all of it agrees with.
"""

from __future__ import annotations

import logging
from uuid import UUID

from apps.market.filters.parse import parse
from apps.market.filters.problems import FilterError as FilterError
from apps.market.filters.sql import to_q
from apps.nodes.models import Offer, OfferState

logger = logging.getLogger("hive.market")


def ids_meeting(text: str) -> set[UUID]:
    """The live offers that meet a filter; in one query.

    One that can't be read, since an earlier Hive allowed more, is met by none: it holds up no other demand.
    """
    try:
        condition = to_q(parse(text))
    except FilterError as error:
        logger.error("a demand's constraints can't be read: %s", error)
        return set()
    live = Offer.objects.filter(condition, state=OfferState.LIVE).order_by()
    return set(live.values_list("id", flat=True))
