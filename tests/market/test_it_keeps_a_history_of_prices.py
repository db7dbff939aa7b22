"""What the market cost: a look at the book every five minutes, averaged and forgotten as it ages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent.protocol import Price
from apps.market.history.asked import asked_series
from apps.market.history.changes import price_changes
from apps.market.history.noting import note_prices, roll_up
from apps.market.history.points import ALL, PriceSpan
from apps.market.history.series import PriceRange, price_series
from apps.market.models import Agreement, PricePoint
from apps.nodes.averaging import beginning
from apps.nodes.models import Node, NodeState, Offer, OfferState
from tests.cast import PRICE

pytestmark = pytest.mark.django_db

THREAD_HOUR = Decimal("0.0108")
"""Of the cast's price: 0.000002 + 0.000001 a second."""


def point(runtime: str = ALL, region: str = ALL, span_s: int = PriceSpan.FIVE_MINUTES) -> PricePoint:
    return PricePoint.objects.get(runtime=runtime, region=region, span_s=span_s)


def keep(at: datetime, *, span_s: int = PriceSpan.FIVE_MINUTES, **figures: Any) -> PricePoint:
    return PricePoint.objects.create(runtime="docker", region="eu-west", span_s=span_s, at=at, **figures)


def look(at: datetime) -> None:
    """The line of everything, as each look leaves it."""
    PricePoint.objects.create(runtime=ALL, region=ALL, span_s=PriceSpan.FIVE_MINUTES, at=at)


def long_ago(**back: float) -> datetime:
    """At the beginning of a day."""
    return beginning(timezone.now() - timedelta(**back), PriceSpan.DAY)


def test_it_notes_what_the_book_says(
    offer: Offer, bee_key: LocalAccount, make_agreement: Callable[..., Agreement]
) -> None:
    Node.objects.filter(pk=offer.node_id).update(region="eu-west")
    make_agreement(offer, bee_key)

    assert note_prices() == 4, "the runtime and all of them, in its region and in all"
    told = point("process", "eu-west")
    assert (told.least_glm, told.median_glm, told.mean_glm, told.paid_glm) == (THREAD_HOUR,) * 4
    assert (told.cpu_threads, told.cpu_threads_free, told.cpu_threads_let) == (
        4,
        Decimal("3.5"),
        Decimal("0.5"),
    )
    assert (told.nodes, told.offers, told.agreements, told.demands) == (1, 1, 1, 0)


def test_it_notes_a_time_once(offer: Offer) -> None:
    assert note_prices() > 0
    before = PricePoint.objects.count()
    assert note_prices() == 0
    assert PricePoint.objects.count() == before


def test_an_empty_market_is_noted_too(db: None) -> None:
    note_prices()
    assert (point().offers, point().least_glm) == (0, None)


def test_a_region_that_is_not_believed_is_none(offer: Offer) -> None:
    Node.objects.filter(pk=offer.node_id).update(region="eu-west", region_fault="too far for light")
    note_prices()
    assert not PricePoint.objects.filter(region="eu-west").exists()
    assert point("process", "").offers == 1


def test_what_cannot_be_taken_is_not_on_the_board(offer: Offer) -> None:
    Node.objects.filter(pk=offer.node_id).update(state=NodeState.UNKNOWN)
    note_prices()
    assert point().offers == 0


def test_it_averages_into_hours_and_days() -> None:
    day = long_ago(days=1, hours=12)
    for minute, price, threads in ((0, "0.01", 4), (5, "0.03", 8), (60, None, 0)):
        asked = Decimal(price) if price else None
        at = day + timedelta(minutes=minute)
        keep(at, least_glm=asked, median_glm=asked, mean_glm=asked, cpu_threads=threads, demands=threads)
        look(at)

    assert roll_up() == 6, "two hours and a day, and the same of everything"
    first, second = PricePoint.objects.filter(span_s=PriceSpan.HOUR, runtime="docker").order_by("at")
    assert (first.least_glm, first.median_glm, first.mean_glm) == (
        Decimal("0.01"),
        Decimal("0.02"),
        Decimal("0.02"),
    )
    assert (first.cpu_threads, first.demands, first.samples, first.paid_glm) == (6, 6, 2, None)
    assert (second.least_glm, second.median_glm, second.cpu_threads) == (None, None, 0)
    whole = PricePoint.objects.get(span_s=PriceSpan.DAY, runtime="docker")
    assert (whole.at, whole.median_glm, whole.cpu_threads, whole.samples) == (day, Decimal("0.02"), 4, 3)
    assert roll_up() == 0


def test_who_is_there_at_one_look_of_twelve_is_a_twelfth_of_the_hour() -> None:
    day = long_ago(days=1, hours=12)
    for minute in (*range(0, 60, 5), 60):
        look(day + timedelta(minutes=minute))
    keep(day, median_glm=THREAD_HOUR, cpu_threads=24, nodes=6)
    keep(day + timedelta(minutes=60), nodes=12)

    roll_up()
    hour, _ = PricePoint.objects.filter(span_s=PriceSpan.HOUR, runtime="docker").order_by("at")
    assert (hour.nodes, hour.cpu_threads, hour.median_glm) == (0.5, 2, THREAD_HOUR)
    whole = PricePoint.objects.get(span_s=PriceSpan.DAY, runtime="docker")
    assert whole.nodes == pytest.approx((6 + 12) / 13), "of thirteen looks on that day"


def test_an_hour_that_is_not_over_is_not_averaged() -> None:
    keep(beginning(timezone.now(), PriceSpan.HOUR), least_glm=THREAD_HOUR)
    assert roll_up() == 0


def test_it_forgets_what_is_too_old_but_not_before_it_is_averaged() -> None:
    keep(long_ago(days=3), least_glm=THREAD_HOUR)
    look(long_ago(days=3))
    keep(long_ago(days=2000), span_s=PriceSpan.DAY)
    roll_up()
    assert not PricePoint.objects.filter(span_s=PriceSpan.FIVE_MINUTES).exists()
    of_docker = PricePoint.objects.filter(runtime="docker")
    assert [each.least_glm for each in of_docker.filter(span_s=PriceSpan.HOUR)] == [THREAD_HOUR]
    assert [each.at for each in of_docker.filter(span_s=PriceSpan.DAY)] == [long_ago(days=3)]


def test_it_tells_a_series_with_gaps() -> None:
    now = beginning(timezone.now(), PriceSpan.FIVE_MINUTES)
    for minutes in (60, 55, 5):
        keep(now - timedelta(minutes=minutes), least_glm=THREAD_HOUR, cpu_threads=4, cpu_threads_let=1)

    told = price_series(runtime="docker", region="eu-west", range=PriceRange.DAYS)
    assert told.figures["least_glm"] == [THREAD_HOUR, THREAD_HOUR, None, THREAD_HOUR]
    assert told.figures["let_percent"] == [25, 25, None, 25]
    assert len(told.at) == 4
    assert price_series(runtime="docker", region="us-east", range=PriceRange.DAYS).at == []
    assert price_series(runtime="docker", region="eu-west", range=PriceRange.YEARS).at == []


def test_a_share_of_nothing_is_none_and_never_above_all() -> None:
    now = beginning(timezone.now(), PriceSpan.FIVE_MINUTES)
    keep(now - timedelta(minutes=5), cpu_threads=0, cpu_threads_let=1)
    keep(now, cpu_threads=1, cpu_threads_let=3)
    told = price_series(runtime="docker", region="eu-west", range=PriceRange.DAYS)
    assert told.figures["let_percent"] == [None, 100]


def test_it_tells_when_a_node_changed_its_price(node: Node, make_offer: Callable[..., Offer]) -> None:
    """Bees offer anew every half hour: only what differs is a change."""
    start, dearer = timezone.now() - timedelta(hours=5), Price(second_glm=Decimal("0.000006"))
    for hours, price in ((0, PRICE), (1, PRICE), (2, dearer), (3, dearer), (4, PRICE)):
        at = start + timedelta(hours=hours)
        make_offer(node, price=price, issued_at=at, state=OfferState.EXPIRED, deadline_at=None)
    make_offer(node, runtime="wasm", issued_at=start)

    told = [(each.at, each.runtime, each.before_glm, each.thread_hour_glm) for each in price_changes(node)]
    twice = 2 * THREAD_HOUR
    assert told[:2] == [
        (start + timedelta(hours=4), "process", twice, THREAD_HOUR),
        (start + timedelta(hours=2), "process", THREAD_HOUR, twice),
    ]
    assert sorted(told[2:], key=lambda change: change[1]) == [
        (start, "process", None, THREAD_HOUR),
        (start, "wasm", None, THREAD_HOUR),
    ]
    assert [each.percent for each in price_changes(node)][:2] == [-50, 100]
    assert len(price_changes(node, most=1)) == 1


def test_a_new_price_to_start_or_of_traffic_is_a_change_too(
    node: Node, make_offer: Callable[..., Offer]
) -> None:
    start = timezone.now() - timedelta(hours=1)
    make_offer(node, issued_at=start, state=OfferState.EXPIRED, deadline_at=None)
    make_offer(node, price=Price(cpu_second_glm=PRICE.cpu_second_glm, second_glm=PRICE.second_glm))
    newest = price_changes(node)[0]
    assert (newest.percent, newest.price.start_glm) == (0, 0)


def test_a_price_holds_until_the_next_one(node: Node, make_offer: Callable[..., Offer]) -> None:
    now, dearer = timezone.now(), Price(second_glm=Decimal("0.000006"))
    for ago, price in ((timedelta(days=5), PRICE), (timedelta(hours=3), dearer)):
        make_offer(node, price=price, issued_at=now - ago, state=OfferState.EXPIRED, deadline_at=None)
    make_offer(node, runtime="wasm", issued_at=now - timedelta(hours=1))

    told = asked_series(node, PriceRange.DAYS)
    assert len(told.at) == 4, "since when, two changes, and now"
    assert told.figures["process"] == [THREAD_HOUR, 2 * THREAD_HOUR, 2 * THREAD_HOUR, 2 * THREAD_HOUR]
    assert told.figures["wasm"] == [None, None, THREAD_HOUR, THREAD_HOUR]
    assert asked_series(node, PriceRange.QUARTER).figures["process"][0] is None


def test_what_held_at_the_beginning_is_drawn_however_often_it_changed_since(
    node: Node, make_offer: Callable[..., Offer]
) -> None:
    now, dearer = timezone.now(), Price(second_glm=Decimal("0.000006"))
    noon = beginning(now - timedelta(days=10), PriceSpan.DAY) + timedelta(hours=12)
    make_offer(node, issued_at=now - timedelta(days=100), state=OfferState.EXPIRED, deadline_at=None)
    for minute in range(30):
        price, at = (PRICE, dearer)[minute % 2], noon + timedelta(minutes=minute)
        make_offer(node, price=price, issued_at=at, state=OfferState.EXPIRED, deadline_at=None)

    with CaptureQueriesContext(connection) as queries:
        told = asked_series(node, PriceRange.QUARTER)
    assert len(queries) == 2
    assert told.figures["process"] == [THREAD_HOUR, 2 * THREAD_HOUR, 2 * THREAD_HOUR]
    assert told.at[1] == (noon + timedelta(minutes=29)).timestamp(), "the last of its hour"


def test_a_node_without_offers_asked_nothing(node: Node) -> None:
    told = asked_series(node, PriceRange.DAYS)
    assert (told.at, told.figures) == ([], {})
