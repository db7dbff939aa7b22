"""The lowest price for work that is done: by the node's own benchmark, and by its reputation.

GLM an hour / (CPU units a thread x threads x reputation): of a node that loses every fifth agreement, a fifth
of what is paid for may have to be done again. A node whose speed is not known comes after all others.

The figure is the Bee's own, so it is believed only as far as others make it likely: up to three times the
median of the book, and of a newcomer up to the median.
"""

from __future__ import annotations

import numpy as np

from apps.market.needs import Need
from apps.market.placing.book import Book, Floats
from apps.market.placing.listing import Choice, Listing
from apps.market.placing.strategies.base import LAST, Strategy

LEAST_TRUST = 0.05
"""Nobody is divided by nothing."""
LIKELY = 3.0
"""Threads differ by so much between old and new processors; what is claimed beyond it wins nothing."""
WORTH_A_WORD = 0.03
"""Below such a difference in reputation it is the speed that is named."""


class BestValue(Strategy):
    def score(self, book: Book, need: Need) -> Floats:
        per_hour, units = book.per_hour(need.cpu_threads), believed_units(book)
        trust = np.maximum(book.figure("reputation"), LEAST_TRUST)
        value = per_hour / (units * float(need.cpu_threads) * trust)
        return np.where(np.isnan(value), LAST + per_hour, value)

    def praise(self, choice: Choice, need: Need) -> str:
        if choice.offer.cpu_single is None:
            return "cheapest whose speed is not measured"
        return "best value for its speed and reputation"

    def lack(self, passed: Listing, chosen: Listing) -> str:
        told = [lost_lately(passed)] if _is_less_trusted(passed, chosen) else []
        units, ours = passed.cpu_single, chosen.cpu_single
        if units is None:
            told.append("has not measured its CPU")
        elif ours is not None and units < ours:
            told.append(f"measured {units:.3g} CPU units a thread, not {ours:.3g}")
        if not told and passed.reputation < chosen.reputation:
            told.append(f"has a reputation of {passed.reputation:.2f}, not {chosen.reputation:.2f}")
        return " and ".join(told)


def believed_units(book: Book) -> Floats:
    """CPU units a thread of each listing, NaN where none are known, bounded by what is likely."""
    units = book.figure("cpu_single")
    if not np.any(np.isfinite(units)):
        return units
    median = float(np.nanmedian(units))
    return np.minimum(units, np.where(book.is_newcomer, median, LIKELY * median))


def lost_lately(listing: Listing) -> str:
    """What its reputation comes from, in short."""
    dealt = listing.kept + listing.lost
    if listing.lost:
        return f"lost {listing.lost} of {dealt} agreements"
    if listing.is_newcomer:
        return "is new here"
    return f"has a reputation of {listing.reputation:.2f}"


def _is_less_trusted(passed: Listing, chosen: Listing) -> bool:
    return passed.reputation < chosen.reputation - WORTH_A_WORD
