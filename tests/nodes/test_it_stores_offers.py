from __future__ import annotations

from decimal import Decimal

import pytest
from eth_account.signers.local import LocalAccount

from agent.protocol import Price
from apps.nodes import capacity
from apps.nodes.models import Node, Offer, OfferState
from apps.nodes.offers import expire_offers, publish_offers
from tests.cast import PRICE, key_of_bee, signed_offer

pytestmark = pytest.mark.django_db


def test_it_stores_what_the_node_signed_and_measures_the_node_by_it(
    node: Node, bee_key: LocalAccount
) -> None:
    offer = signed_offer(bee_key, cpu_threads=Decimal(2), mem_gib=Decimal("1.5"))

    assert publish_offers(node_id=node.id, offers=[offer]) == []

    stored = Offer.objects.get()
    assert (str(stored.id), stored.state, stored.price) == (offer.offer_id, OfferState.LIVE, PRICE)
    node.refresh_from_db()
    assert (node.cpu_threads, node.mem_gib) == (Decimal(2), Decimal("1.5"))


def test_the_newest_set_withdraws_what_it_leaves_out(node: Node, bee_key: LocalAccount) -> None:
    first, second = signed_offer(bee_key), signed_offer(bee_key)
    publish_offers(node_id=node.id, offers=[first])
    publish_offers(node_id=node.id, offers=[second])
    publish_offers(node_id=node.id, offers=[second])

    states = {str(offer.id): offer.state for offer in Offer.objects.all()}
    assert states == {first.offer_id: OfferState.WITHDRAWN, second.offer_id: OfferState.LIVE}


def test_an_offer_somebody_else_signed_is_left_out_and_named(node: Node) -> None:
    forged = signed_offer(key_of_bee(99))

    [complaint] = publish_offers(node_id=node.id, offers=[forged])

    assert f"not signed by {node.id}" in complaint
    assert not Offer.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("cpu_threads", Decimal("NaN"), "cpu_threads"),
        ("cpu_threads", Decimal(-1), "cpu_threads"),
        ("mem_gib", Decimal("1e30"), "mem_gib"),
        ("mem_gib", Decimal("0.0001"), "mem_gib"),
        ("price", Price(second_glm=Decimal("-0.1")), "price.second_glm"),
        ("price", Price(second_glm=Decimal("Infinity")), "price.second_glm"),
        ("price", Price(second_glm=Decimal("1e-19")), "price.second_glm"),
        ("valid_s", 1e300, "valid_s"),
        ("issued_at_ms", 10**30, "issued_at_ms"),
        ("offer_id", "mine", "offer_id"),
    ],
)
def test_an_offer_that_makes_no_sense_is_left_out_and_the_field_named(
    node: Node, bee_key: LocalAccount, field: str, value: object, place: str
) -> None:
    sound = signed_offer(bee_key)
    broken = type(sound)(
        **({name: getattr(sound, name) for name in sound.__struct_fields__} | {field: value})
    )

    [complaint] = publish_offers(node_id=node.id, offers=[broken])

    assert place in complaint


def test_a_node_never_shrinks_below_what_is_claimed_of_it(node: Node, bee_key: LocalAccount) -> None:
    capacity.claim(node_id=node.id, cpu_threads=Decimal(3), mem_gib=Decimal(1))

    publish_offers(node_id=node.id, offers=[signed_offer(bee_key, cpu_threads=Decimal(1))])

    node.refresh_from_db()
    assert node.cpu_threads == Decimal(3)
    assert not capacity.claim(node_id=node.id, cpu_threads=Decimal(1), mem_gib=Decimal(1))


def test_an_offer_ends_when_its_time_runs_out(offer: Offer) -> None:
    assert expire_offers() == 0
    Offer.objects.update(deadline_at=offer.issued_at)

    assert expire_offers() == 1
    offer.refresh_from_db()
    assert offer.state == OfferState.EXPIRED
