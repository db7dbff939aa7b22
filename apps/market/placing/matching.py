"""Which offers serve a need, best first: plain functions over a book, without a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from uuid import UUID

import numpy as np

from agent.protocol import Price
from apps.market.models import Spread
from apps.market.needs import Need
from apps.market.placing.book import Book, Ints
from apps.market.placing.conditions import eligible, is_within_limit
from apps.market.placing.listing import Choice
from apps.market.placing.standing import Standing, standing
from apps.market.placing.strategies import strategy_of
from apps.market.words import enough
from apps.money import plain

AT_MOST = 50
"""So many choices are worth having: who finds all of them gone looks again."""


def rank(
    book: Book,
    need: Need,
    *,
    bargained: Mapping[str, Price] | None = None,
    shunned: Collection[str] = (),
    affordable: bool = False,
    at_most: int = AT_MOST,
) -> list[Choice]:
    """Those that fit, best first: apart from its group, good by the strategy, better runtime, lately heard.

    `bargained` holds prices by offer id that replace the offer's own; nodes that are `shunned` are left out,
    and with `affordable` those above the limit, too.
    """
    book = book.at(bargained or {})
    fit = eligible(book, need, book.free) & ~np.isin(book.node, book.numbers(shunned, Spread.NODE))
    if affordable:
        fit &= is_within_limit(book, need)
    best = in_order(book, need, np.flatnonzero(fit), standing(book, need))[:at_most]
    return [book.choice(one, need.cpu_threads) for one in best.tolist()]


def choose(
    book: Book, need: Need, offer_id: UUID | str, *, bargained: Mapping[str, Price] | None = None
) -> Choice | None:
    """This very offer, if it fits; None when it does not, or is no longer in the book."""
    one = book.find(offer_id)
    if one is None or not eligible(book, need, book.free)[one]:
        return None
    return book.at(bargained or {}).choice(one, need.cpu_threads)


def in_order(book: Book, need: Need, among: Ints, stands: Standing) -> Ints:
    """The same, the best first."""
    crowd = [here[book.level(by)][among] for by, here in zip(stands.levels, stands.crowd, strict=True)]
    over = book.is_newcomer[among] if stands.newcomers_left <= 0 else np.zeros(len(among), dtype=np.bool_)
    wishes = [stands.avoided[among], stands.far[among], *crowd, over]
    keys = [key for key in wishes if key.any()]
    return among[np.lexsort([*by_merit(book, need, among), *reversed(keys)])]


def by_merit(book: Book, need: Need, among: Ints) -> list[np.ndarray]:
    """Keys for `lexsort`, the weightiest last: strategy, price, runtime, silence."""
    keys: list[np.ndarray] = [book.silence[among]]
    if len(need.runtimes) > 1:
        keys.append(_preference(book, need)[among])
    score, per_hour = strategy_of(need).score(book, need)[among], book.per_hour(need.cpu_threads)[among]
    return [*keys, score] if (score == per_hour).all() else [*keys, per_hour, score]


def within_limit(choice: Choice, need: Need) -> bool:
    return need.max_price_per_hour_glm is None or choice.per_hour_glm <= need.max_price_per_hour_glm


def cheapest(book: Book, need: Need) -> Choice | None:
    """Of all that fit, whatever it asks: what a limit is compared with. None when nothing fits."""
    fit = np.flatnonzero(eligible(book, need, book.free))
    if not len(fit):
        return None
    least = fit[book.per_hour(need.cpu_threads)[fit].argmin()]
    return book.choice(int(least), need.cpu_threads)


def why_too_dear(cheapest: Choice, need: Need) -> str:
    """The limit exactly and the price rounded up, so that they never look the same."""
    limit = plain(need.max_price_per_hour_glm or Decimal(0))
    asked = enough(cheapest.per_hour_glm)
    return f"the cheapest fitting offer is {asked} GLM/h, above the limit of {limit} GLM/h"


def _preference(book: Book, need: Need) -> Ints:
    """Of each listing, how far behind the best runtime its own is."""
    behind = np.full(len(book), len(need.runtimes), dtype=np.int64)
    for number, runtime in reversed(list(enumerate(need.runtimes))):
        behind[book.runtime == runtime] = number
    return behind
