"""What is on offer in this life: made anew in time, when its price is off, and when the hours change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

from agent import clock, offers
from agent.config import Config
from agent.keys import Signer
from agent.negotiate import local_time
from agent.pricing import Pricing, differs_notably, prices_now
from agent.protocol import Offer, Price, Terms
from agent.rules.judge import Judge
from agent.runtimes.base import Runtime

PROMISE_S = 60.0
"""So long an offer's price holds after a newer one: what is on its way meanwhile is not refused for it."""


class Offering:
    def __init__(
        self,
        *,
        config: Config,
        judge: Judge,
        runtimes: Collection[Runtime],
        key: Signer,
        machine_threads: Decimal,
        properties: Callable[[], dict[str, Any]],
    ) -> None:
        self._config, self._judge, self._runtimes, self._key = config, judge, runtimes, key
        self._machine_threads, self._properties = machine_threads, properties
        self.newest: list[Offer] = []
        """The complete set; empty outside the hours for rent."""
        self._known: dict[str, Offer] = {}
        self._superseded_s: dict[str, float] = {}
        """By id of an offer: when a newer one took its place, boot clock."""
        self._made_s = float("-inf")
        self._made_for: tuple[int, bool, Price] = (0, False, Price())
        """Chain, whether it was open, asked price."""

    def pricing(self, rented: Iterable[Terms]) -> Pricing:
        return prices_now(self._config, rented, self._machine_threads)

    def known(self, now_ms: int) -> dict[str, Offer]:
        """Those that have not run out, by id."""
        return {id: each for id, each in self._known.items() if _ends_ms(each) > now_ms}

    def promised(self) -> frozenset[str]:
        """Ids of those whose price holds."""
        now_s = clock.boot_s()
        return frozenset(id for id in self._known if now_s - self._superseded_s.get(id, now_s) < PROMISE_S)

    def renew(self, rented: Iterable[Terms], *, paused: bool, chain_id: int, now_ms: int) -> bool:
        """Make the set anew if it is out of date; whether it was. While the owner pauses it is empty."""
        now_s, is_open = clock.boot_s(), not paused and self._judge.is_open(local_time())
        asked = self.pricing(rented).asked
        if self._holds(chain_id, is_open, asked) and now_s - self._made_s < offers.RENEW_AFTER_S:
            return False
        self._superseded_s |= {each.offer_id: now_s for each in self.newest}
        self.newest = self._make(asked, chain_id, now_ms) if is_open else []
        self._known = self.known(now_ms) | {each.offer_id: each for each in self.newest}
        self._superseded_s = {id: at for id, at in self._superseded_s.items() if id in self._known}
        self._made_s, self._made_for = now_s, (chain_id, is_open, asked)
        return True

    def _holds(self, chain_id: int, is_open: bool, asked: Price) -> bool:
        made_chain_id, made_open, made_asked = self._made_for
        same = (made_chain_id, made_open) == (chain_id, is_open)
        return same and not differs_notably(made_asked, asked)

    def _make(self, asked: Price, chain_id: int, now_ms: int) -> list[Offer]:
        return offers.make_offers(
            runtimes=self._runtimes,
            config=self._config,
            asked=asked,
            machine=self._properties(),
            key=self._key,
            chain_id=chain_id,
            now_ms=now_ms,
        )


def _ends_ms(offer: Offer) -> int:
    return offer.issued_at_ms + int(offer.valid_s * 1000)
