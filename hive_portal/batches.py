"""What the Bees said within a tenth of a second, told to the rooms in sets, from the lowest room up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from agent import protocol
from apps.billing.metering import intake as metering
from apps.deployments import observing
from apps.market.negotiating import negotiation
from apps.nodes import benchmarks, offers, presence, statistics

logger = logging.getLogger("hive.switchboard")

M = TypeVar("M")
Said = (
    protocol.Offers
    | protocol.Answers
    | protocol.Observed
    | protocol.UsageReports
    | protocol.DebitNotes
    | protocol.Benchmarks
)


MOST_PER_NODE = 1000
"""Reports, notes or answers taken of one node at once; it sends the rest again."""
MOST_EARLIER = 3
"""Heartbeats of one node, besides the newest, whose measurements are kept while the database is busy."""


@dataclass
class Batch:
    """What was said, by node. Of a complete set the newest is enough; the parts of a chain are all kept.

    Of a heartbeat only the measurements are no such set: `earlier` has those before the newest, oldest first.
    """

    offers: dict[str, list[protocol.Offer]] = field(default_factory=dict)
    observed: dict[str, protocol.Observed] = field(default_factory=dict)
    earlier: list[dict[str, protocol.Observed]] = field(default_factory=list)
    answers: dict[str, list[protocol.Answer]] = field(default_factory=dict)
    usage: dict[str, list[protocol.Usage]] = field(default_factory=dict)
    notes: dict[str, list[protocol.DebitNote]] = field(default_factory=dict)
    benchmarks: dict[str, protocol.Benchmarks] = field(default_factory=dict)

    def put(self, node_id: str, message: Said) -> None:
        match message:
            case protocol.Offers(offers=offers):
                self.offers[node_id] = offers
            case protocol.Observed():
                if node_id in self.observed:
                    self._keep_earlier(node_id, self.observed[node_id])
                self.observed[node_id] = message
            case protocol.Answers(answers=answers):
                _append(self.answers, node_id, answers)
            case protocol.UsageReports(reports=reports):
                _append(self.usage, node_id, reports)
            case protocol.DebitNotes(notes=notes):
                _append(self.notes, node_id, notes)
            case protocol.Benchmarks():
                self.benchmarks[node_id] = message

    def _keep_earlier(self, node_id: str, observed: protocol.Observed) -> None:
        for earlier in self.earlier:
            if node_id not in earlier:
                earlier[node_id] = observed
                return
        if len(self.earlier) < MOST_EARLIER:
            self.earlier.append({node_id: observed})

    @property
    def node_ids(self) -> set[str]:
        return {*self.offers, *self.observed, *self.answers, *self.usage, *self.notes, *self.benchmarks}


def take(batch: Batch) -> None:
    """Tell it to the rooms. What fails is logged and left out: the Bees say it again until it is acked.

    Heartbeats come first: whatever else one Bee says, it takes no other's time to be heard. Usage comes
    before what was observed, so that the last report of a replica finds its agreement open.
    """
    if batch.observed:
        _together(batch.observed, _take_heartbeats)
    if batch.offers:
        _together(batch.offers, _take_offers)
    if batch.answers:
        _together(batch.answers, _take_answers)
    if batch.usage:
        _together(batch.usage, metering.store_all_usage)
    _each(batch.notes, _take_notes)
    _each(batch.benchmarks, _take_benchmarks)
    if batch.observed:
        for measured in [*batch.earlier, batch.observed]:
            _together(measured, statistics.record)
        _together(batch.observed, observing.take_observations)


def _take_offers(said: Mapping[str, list[protocol.Offer]]) -> None:
    """A Bee says the same again on each new link: a whole hive does so after a restart of the Queen."""
    known = offers.already_live(said)
    news = {node_id: offered for node_id, offered in said.items() if node_id not in known}
    _each(news, _publish_offers)
    if news:
        negotiation.look_again()


def _publish_offers(node_id: str, said: list[protocol.Offer]) -> None:
    offers.publish_offers(node_id=node_id, offers=said)


def _take_answers(said: Mapping[str, list[protocol.Answer]]) -> None:
    moved = negotiation.take_all_answers(said)
    if moved:
        observing.demands_moved(moved)


def _take_notes(node_id: str, said: list[protocol.DebitNote]) -> None:
    metering.store_debit_notes(node_id=node_id, notes=said)


def _take_benchmarks(node_id: str, said: protocol.Benchmarks) -> None:
    benchmarks.store(node_id=node_id, said=said)


def _take_heartbeats(seen: Mapping[str, protocol.Observed]) -> None:
    back = presence.heartbeats(seen)
    if back:
        observing.nodes_changed(back)
        negotiation.look_again()


def _each(said: Mapping[str, M], tell: Callable[[str, M], object]) -> None:
    for node_id, message in said.items():
        try:
            tell(node_id, message)
        except Exception:
            logger.exception("%s: what node %s said was not taken", tell.__name__, node_id)


def _together(said: Mapping[str, M], tell: Callable[[Mapping[str, M]], object]) -> None:
    """All in one set; if that fails, one by one, so that one node's nonsense costs the others nothing."""
    try:
        tell(said)
    except Exception:
        logger.warning("a batch of %d nodes failed, taking it apart", len(said), exc_info=len(said) == 1)
        if len(said) > 1:
            _each(said, lambda node_id, message: tell({node_id: message}))


def _append(kind: dict[str, list[M]], node_id: str, more: list[M]) -> None:
    kept = kind.setdefault(node_id, [])
    kept.extend(more[: MOST_PER_NODE - len(kept)])
