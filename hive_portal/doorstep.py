"""Links that have said nothing yet: so many from one address, so that nobody fills the Queen with them."""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter

from django.conf import settings

logger = logging.getLogger("hive.switchboard")

_IPV6_SITE_BITS = 64
"""Whoever has one address of IPv6 has all of that network. Source: RFC 6177."""


class Doorstep:
    """Counts them by where they come from; each counts until it says hello, or is gone."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._crowded: set[str] = set()

    def enter(self, peer: str | None) -> bool:
        """Whether one more may wait here."""
        place = place_of(peer)
        if self._waiting[place] >= _most():
            self._complain(place)
            return False
        self._waiting[place] += 1
        return True

    def leave(self, peer: str | None) -> None:
        place = place_of(peer)
        self._waiting[place] -= 1
        if self._waiting[place] <= 0:
            del self._waiting[place]
            self._crowded.discard(place)

    def _complain(self, place: str) -> None:
        """Once, until all of them are gone: a line for each would fill the log."""
        if place not in self._crowded:
            self._crowded.add(place)
            logger.warning("%s: %d links wait there without a hello, others are refused", place, _most())


def place_of(peer: str | None) -> str:
    """What counts as one address: of IPv6 a whole site."""
    if peer is None:
        return "nowhere"
    address = ipaddress.ip_address(peer)
    if address.version == 4:
        return peer
    return str(ipaddress.ip_network((int(address), _IPV6_SITE_BITS), strict=False))


def _most() -> int:
    return int(settings.HIVE_SILENT_LINKS)
