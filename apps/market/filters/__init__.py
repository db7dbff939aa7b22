"""Golem's filter language: constraints over the properties of an offer.

`parse` reads a text into a `tree`, `sql` makes a condition of it, `known` says which properties are the
Queen's own columns, `advice` tells slips of the pen. `tree.holds` is the meaning that all of it agrees with.
`patience` bounds what an answer may cost.
"""

from __future__ import annotations

import logging
import time
from typing import Final
from uuid import UUID

from apps.market.filters.parse import parse
from apps.market.filters.patience import EACH_S, in_time
from apps.market.filters.problems import FilterError as FilterError
from apps.market.filters.sql import to_q
from apps.nodes.models import Offer, OfferState

logger = logging.getLogger("hive.market")

ALL_S: Final = 5.0
"""For all filters that are asked of one book: a Compose file may have a hundred, a batch more."""


class Inquiry:
    """Answers the filters of one book, all of them within `ALL_S`.

    One that can't be read, since an earlier Hive allowed more, is met by none, as is one that takes too long,
    or whose turn does not come: it holds up no other demand. `strict`: FilterError is raised instead.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._left_s = ALL_S

    def __call__(self, text: str) -> set[UUID]:
        began_s = time.monotonic()
        try:
            return self._asked(text)
        except FilterError as error:
            if self._strict:
                raise
            logger.warning("a demand's constraints are met by nobody: %s", error)
            return set()
        finally:
            self._left_s -= time.monotonic() - began_s

    def _asked(self, text: str) -> set[UUID]:
        if self._left_s < EACH_S:
            raise FilterError(text, 0, "others took too long to answer: its turn comes later")
        return ids_meeting(text)


def ids_meeting(text: str) -> set[UUID]:
    """The live offers that meet a filter; in one query. Raises FilterError, also when it takes too long."""
    with in_time(text):
        live = Offer.objects.filter(to_q(parse(text)), state=OfferState.LIVE).order_by()
        return set(live.values_list("id", flat=True))
