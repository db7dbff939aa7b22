"""The shortest round trip; within a step of 5 ms, which is noise, the lower price."""

from __future__ import annotations

import numpy as np

from apps.market.needs import Need
from apps.market.placing.book import Book, Floats
from apps.market.placing.listing import Choice, Listing
from apps.market.placing.strategies.base import LAST, Strategy

STEP_MS = 5.0


class Nearest(Strategy):
    def score(self, book: Book, need: Need) -> Floats:
        steps = np.floor(book.figure("round_trip_ms") / STEP_MS)
        return np.where(np.isnan(steps), LAST, steps)

    def praise(self, choice: Choice, need: Need) -> str:
        away = choice.offer.round_trip_ms
        if away is None:
            return "cheapest whose distance is not measured"
        return f"nearest to {STEP_MS:.0f} ms ({away:.0f} ms away)"

    def lack(self, passed: Listing, chosen: Listing) -> str:
        theirs, ours = passed.round_trip_ms, chosen.round_trip_ms
        if theirs is None:
            return "has not been measured"
        return f"is {theirs:.0f} ms away" + (f", not {ours:.0f}" if ours is not None else "")
