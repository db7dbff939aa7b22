from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent import protocol, typed_data
from agent.protocol import Price
from apps.nodes import capacity
from apps.nodes.models import Node, NodeState, Offer, OfferState
from apps.nodes.offers import already_live, expire_offers, publish_offers
from apps.nodes.sizes import Size
from apps.teams.audit import Actor
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


def test_it_knows_who_says_the_same_again(make_node: Callable[..., Node]) -> None:
    keys = [key_of_bee(number) for number in range(40, 45)]
    same, newer, fewer, more, silent = (make_node(key).id for key in keys)
    given = {node_id: [signed_offer(key)] for node_id, key in zip((same, newer, fewer), keys, strict=False)}
    for node_id, offered in given.items():
        publish_offers(node_id=node_id, offers=offered)

    said = given | {newer: [signed_offer(keys[1])], fewer: [], more: [signed_offer(keys[3])], silent: []}

    assert already_live(said) == {same, silent}


def moved_first_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next `move_to` of an offer comes too late: another worker withdraws it in the moment before."""
    move_to = Offer.move_to

    def late(self: Offer, *args: Any, **kwargs: Any) -> Offer:
        monkeypatch.setattr(Offer, "move_to", move_to)
        Offer.objects.filter(pk=self.pk).update(state=OfferState.WITHDRAWN)
        return move_to(self, *args, **kwargs)

    monkeypatch.setattr(Offer, "move_to", late)


def test_an_offer_moved_by_another_worker_holds_up_no_other(
    make_node: Callable[..., Node], make_offer: Callable[..., Offer], monkeypatch: pytest.MonkeyPatch
) -> None:
    past = timezone.now() - timedelta(seconds=1)
    for _ in range(3):
        make_offer(make_node(), deadline_at=past)
    moved_first_by_another(monkeypatch)

    assert expire_offers() == 2

    states = sorted(Offer.objects.values_list("state", flat=True))
    assert states == [OfferState.EXPIRED, OfferState.EXPIRED, OfferState.WITHDRAWN]


def test_a_new_set_is_taken_though_the_sweep_was_faster(
    node: Node, bee_key: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_offers(node_id=node.id, offers=[signed_offer(bee_key)])
    moved_first_by_another(monkeypatch)

    assert publish_offers(node_id=node.id, offers=[signed_offer(bee_key)]) == []

    assert Offer.objects.filter(state=OfferState.LIVE).count() == 1


def test_a_ban_stands_though_an_offer_went_first(
    node: Node, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved_first_by_another(monkeypatch)

    node.ban(actor=Actor.queen("test"), reason="cheats")

    node.refresh_from_db()
    assert node.state == NodeState.BANNED


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


def hours_away(hours: float) -> int:
    return int((timezone.now() + timedelta(hours=hours)).timestamp() * 1000)


@pytest.mark.parametrize("hours", [-1.1, 1.1, 24 * 365 * 1000])
def test_an_offer_is_dated_when_it_was_made(node: Node, bee_key: LocalAccount, hours: float) -> None:
    [complaint] = publish_offers(
        node_id=node.id, offers=[signed_offer(bee_key, issued_at_ms=hours_away(hours))]
    )

    assert "issued_at_ms" in complaint
    assert not Offer.objects.exists()
    assert (
        publish_offers(node_id=node.id, offers=[signed_offer(bee_key, issued_at_ms=hours_away(-0.9))]) == []
    )


def test_what_is_live_stays_so_though_it_was_issued_long_ago(
    node: Node, bee_key: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = signed_offer(bee_key, valid_s=7200.0)
    publish_offers(node_id=node.id, offers=[offer])
    later = timezone.now() + timedelta(hours=1.5)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert publish_offers(node_id=node.id, offers=[offer]) == []
    assert Offer.objects.get().state == OfferState.LIVE


def test_a_node_offers_each_runtime_once_and_none_that_nobody_knows(
    node: Node, bee_key: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it cost a signature each."""
    looked_at = list[str]()
    is_signed_by = typed_data.is_signed_by

    def counting(message: Any, signature: str, address: str) -> bool:
        looked_at.append(signature)
        return is_signed_by(message, signature, address)

    monkeypatch.setattr(typed_data, "is_signed_by", counting)
    runtimes = ["process", "process", "docker", "r1", "r2"]
    complaints = publish_offers(
        node_id=node.id, offers=[signed_offer(bee_key, runtime=runtime) for runtime in runtimes]
    )

    assert sorted(Offer.objects.values_list("runtime", flat=True)) == ["docker", "process"]
    assert [complaint.split(": runtime: ")[1] for complaint in complaints] == [
        "process is offered twice",
        "expected one of docker, process, qemu, wasm, got 'r1'",
        "expected one of docker, process, qemu, wasm, got 'r2'",
    ]
    assert len(looked_at) == 2


def test_a_node_that_offers_anew_without_end_is_told_to_wait(
    node: Node, bee_key: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.nodes.offers.MOST_NEW", 2)
    last = None
    for _ in range(2):
        last = signed_offer(bee_key)
        assert publish_offers(node_id=node.id, offers=[last]) == []
    assert last and publish_offers(node_id=node.id, offers=[last]) == []
    [told] = publish_offers(node_id=node.id, offers=[signed_offer(bee_key)])
    assert "at most 2 new offers an hour" in told and Offer.objects.count() == 2
    Offer.objects.update(issued_at=timezone.now() - timedelta(hours=3))
    assert publish_offers(node_id=node.id, offers=[signed_offer(bee_key)]) == []


def test_a_set_that_never_ends_is_no_frame(bee_key: LocalAccount) -> None:
    offers = [signed_offer(bee_key)] * protocol.MAX_OFFERS
    assert protocol.decode_from_bee(protocol.encode(protocol.Offers(offers=offers)))
    with pytest.raises(protocol.ProtocolError, match="offers"):
        protocol.decode_from_bee(protocol.encode(protocol.Offers(offers=[*offers, offers[0]])))


def test_a_node_never_shrinks_below_what_is_claimed_of_it(node: Node, bee_key: LocalAccount) -> None:
    capacity.claim(node_id=node.id, size=Size(Decimal(3), Decimal(1)))

    publish_offers(node_id=node.id, offers=[signed_offer(bee_key, cpu_threads=Decimal(1))])

    node.refresh_from_db()
    assert node.cpu_threads == Decimal(3)
    assert not capacity.claim(node_id=node.id, size=Size(Decimal(1), Decimal(1)))


def test_an_offer_ends_when_its_time_runs_out(offer: Offer) -> None:
    assert expire_offers() == 0
    Offer.objects.update(deadline_at=offer.issued_at)

    assert expire_offers() == 1
    offer.refresh_from_db()
    assert offer.state == OfferState.EXPIRED
