"""An offer of a node that is offline can't be taken, and nobody is told that it could."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent.protocol import Observed, Stats
from apps.market.placing.offers import live_offers
from apps.nodes import presence
from apps.nodes.models import Node, NodeState, Offer, OfferState
from apps.nodes.offers import already_live, expire_offers, publish_offers
from apps.teams.audit import Actor, AuditLine
from tests.cast import signed_offer

pytestmark = pytest.mark.django_db

OBSERVED = Observed(revision=1, at_ms=0, assignments=[], stats=Stats(cpu_percent=12.5, running=1))


def lose(*nodes: Node) -> None:
    """Silent past every deadline: online, unknown, offline."""
    past = timezone.now() - timedelta(hours=1)
    ids = [node.pk for node in nodes]
    for _ in range(2):
        Node.objects.filter(pk__in=ids).update(deadline_at=past, last_seen_at=past)
        presence.sweep_silent()
    assert set(Node.objects.filter(pk__in=ids).values_list("state", flat=True)) == {NodeState.OFFLINE}


def state(offer: Offer) -> str:
    offer.refresh_from_db()
    return offer.state


def test_its_offers_are_withdrawn_and_the_trail_says_why(offer: Offer) -> None:
    until = offer.deadline_at
    lose(offer.node)

    assert state(offer) == OfferState.LOST
    assert offer.deadline_at == until
    assert "its node is lost: no heartbeat in time" in offer.reason
    line = AuditLine.objects.get(noun="offer", noun_id=str(offer.pk))
    assert (line.before, line.after) == (OfferState.LIVE, OfferState.LOST)
    assert not live_offers().exists()


def test_a_node_that_is_only_unknown_keeps_its_offers(offer: Offer) -> None:
    Node.objects.filter(pk=offer.node_id).update(deadline_at=timezone.now() - timedelta(seconds=1))
    presence.sweep_silent()
    assert Node.objects.get().state == NodeState.UNKNOWN
    assert state(offer) == OfferState.LIVE
    assert not live_offers().exists(), "but they can't be taken meanwhile"


def test_they_come_back_with_its_next_link(node: Node, bee_key: LocalAccount) -> None:
    """The Bee names the same offers again, which are live by then."""
    said = [signed_offer(bee_key)]
    publish_offers(node_id=node.id, offers=said)
    lose(node)
    presence.link_opened(node_id=node.id, channel="again")

    assert state(Offer.objects.get()) == OfferState.LIVE
    assert already_live({node.id: said}) == {node.id}
    assert live_offers().count() == 1


def test_they_come_back_when_it_is_heard_on_its_old_link(offer: Offer) -> None:
    """A machine that slept: its link stayed open, and it has no reason to say its offers again."""
    presence.link_opened(node_id=offer.node_id, channel="one")
    lose(offer.node)
    assert presence.heartbeats({offer.node_id: OBSERVED}) == [offer.node_id]
    assert state(offer) == OfferState.LIVE


def test_one_whose_time_is_up_meanwhile_stays_away(offer: Offer) -> None:
    lose(offer.node)
    Offer.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    presence.link_opened(node_id=offer.node_id, channel="again")
    assert state(offer) == OfferState.LOST
    assert expire_offers() == 1
    assert state(offer) == OfferState.EXPIRED


def test_one_that_the_newest_set_leaves_out_is_withdrawn(node: Node, bee_key: LocalAccount) -> None:
    publish_offers(node_id=node.id, offers=[signed_offer(bee_key)])
    lose(node)
    newer = signed_offer(bee_key)
    publish_offers(node_id=node.id, offers=[newer])
    presence.link_opened(node_id=node.id, channel="again")
    assert dict(Offer.objects.values_list("state", "reason")).keys() == {
        OfferState.WITHDRAWN,
        OfferState.LIVE,
    }
    assert str(Offer.objects.get(state=OfferState.LIVE).pk) == newer.offer_id


def test_one_whose_place_a_newer_took_does_not_return(offer: Offer, make_offer: Callable[..., Offer]) -> None:
    lose(offer.node)
    make_offer(offer.node)
    presence.link_opened(node_id=offer.node_id, channel="again")
    assert state(offer) == OfferState.LOST


def test_a_ban_ends_those_too(offer: Offer) -> None:
    lose(offer.node)
    offer.node.refresh_from_db()
    offer.node.ban(actor=Actor.queen("test"), reason="spam")
    assert state(offer) == OfferState.WITHDRAWN


def test_many_are_lost_in_as_many_statements_as_one(
    make_node: Callable[..., Node],
    make_offer: Callable[..., Offer],
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    nodes = [make_node() for _ in range(20)]
    offers = [make_offer(node) for node in nodes]
    past = timezone.now() - timedelta(hours=1)
    Node.objects.update(deadline_at=past, last_seen_at=past)
    presence.sweep_silent()
    Node.objects.update(deadline_at=past)
    with django_assert_max_num_queries(24):  # type: ignore[attr-defined]
        presence.sweep_silent()
    assert {state(offer) for offer in offers} == {OfferState.LOST}
