"""Why an agreement is with this node at this price: what was planned, bargained, and passed over."""

from __future__ import annotations

from collections.abc import Iterator

from apps.market.negotiating.decide import Situation
from apps.market.placing.listing import Choice
from apps.market.placing.matching import rank
from apps.market.placing.reasons import because
from apps.market.placing.strategies.base import percent_cheaper
from apps.market.words import six_digits


def why(choice: Choice, situation: Situation) -> list[str]:
    """Sentences for people, the weightiest first. As things stand before the choice is taken."""
    book = situation.book.at(situation.asked)
    return [*_before(choice, situation), *because(book, situation.need, choice), *_refused(choice, situation)]


def _before(choice: Choice, situation: Situation) -> Iterator[str]:
    offer = str(choice.offer.id)
    if offer == situation.planned_offer:
        yield "the plan put it here"
    if rounds := situation.rounds.get(offer):
        asked = six_digits(choice.offer.price.per_hour_glm(situation.need.cpu_threads))
        got, times = six_digits(choice.per_hour_glm), "1 round" if rounds == 1 else f"{rounds} rounds"
        yield f"bargained from {asked} to {got} GLM/h in {times}"


def _refused(choice: Choice, situation: Situation) -> Iterator[str]:
    """Nodes that were cheaper, and would not."""
    if not situation.shunned:
        return
    for passed in rank(situation.book, situation.need):
        said = situation.shunned.get(passed.offer.node_id)
        if said and passed.per_hour_glm < choice.per_hour_glm:
            yield f"{passed.offer.short} was {percent_cheaper(passed, choice)} but would not: {said}"
