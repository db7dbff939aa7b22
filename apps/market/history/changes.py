"""Each node's own prices over time, read from its signed offers: when it asked more, when less."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import DateTimeField, F, Func, Q, Value, Window
from django.db.models.functions import Lag

from agent.protocol import Price
from apps.nodes.models import Node, Offer

ONE = Decimal(1)
AMOUNTS = ("start_glm", "cpu_second_glm", "second_glm", "egress_gib_glm")
MOST = 200


@dataclass(frozen=True, slots=True)
class Change:
    """From this instant, by the node's signature, it asked this; `before` is None for its first price."""

    at: datetime
    runtime: str
    price: Price
    before: Price | None

    @property
    def thread_hour_glm(self) -> Decimal:
        return self.price.per_hour_glm(ONE)

    @property
    def before_glm(self) -> Decimal | None:
        return self.before.per_hour_glm(ONE) if self.before else None

    @property
    def percent(self) -> Decimal | None:
        """By how much dearer one thread's hour became; None for the first, or after one that cost nothing."""
        before = self.before_glm
        return 100 * (self.thread_hour_glm - before) / before if before else None


def price_changes(node: Node, *, most: int = MOST) -> list[Change]:
    """The newest first. Bees offer anew every half hour: what only says the same again is left out."""
    before = {f"{name}_before": _earlier(name) for name in AMOUNTS}
    offers = Offer.objects.filter(node=node).annotate(**before)
    same = Q(**{name: F(f"{name}_before") for name in AMOUNTS})
    changed = offers.filter(~same | Q(second_glm_before=None)).order_by("-issued_at")
    return [_change(offer) for offer in changed[:most]]


def prices_since(node: Node, since: datetime, *, each: timedelta) -> list[Change]:
    """What it asked from then on, the oldest first: of each span of this length the last price, and before
    them the one that held at `since`, if there was one. Two queries, however often it changed its mind."""
    offers = Offer.objects.filter(node=node).order_by("runtime", "-issued_at", "-id")
    held = offers.filter(issued_at__lte=since).distinct("runtime")
    begins = Func(
        Value(each),
        F("issued_at"),
        template="date_bin(%(expressions)s, 'epoch')",
        output_field=DateTimeField(),
    )
    recent = offers.filter(issued_at__gt=since).annotate(begins=begins)
    last = recent.order_by("runtime", "begins", "-issued_at", "-id").distinct("runtime", "begins")
    return _steps(sorted([*held, *last], key=lambda offer: offer.issued_at))


def _steps(offers: Iterable[Offer]) -> list[Change]:
    """Without those that say what their runtime asked already."""
    asked, told = dict[str, Price](), list[Change]()
    for offer in offers:
        before = asked.get(offer.runtime)
        if offer.price != before:
            told.append(Change(at=offer.issued_at, runtime=offer.runtime, price=offer.price, before=before))
            asked[offer.runtime] = offer.price
    return told


def _earlier(name: str) -> Window:
    return Window(Lag(name), partition_by=[F("runtime")], order_by=[F("issued_at").asc(), F("id").asc()])


def _change(offer: Offer) -> Change:
    told = {name: getattr(offer, f"{name}_before") for name in AMOUNTS}
    before = None if told["second_glm"] is None else Price(**told)
    return Change(at=offer.issued_at, runtime=offer.runtime, price=offer.price, before=before)
