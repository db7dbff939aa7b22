"""Whatever one Bee says that is dear to take, the others are heard before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from agent.protocol import Observed, Offers
from apps.nodes import offers, presence
from apps.nodes.models import Node
from hive_portal.batches import Batch, take
from tests.cast import key_of_bee, signed_offer


@pytest.mark.django_db
def test_a_heartbeat_waits_for_no_offer(
    node: Node, make_node: Callable[..., Node], bee_key: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_node(key_of_bee(40))
    presence.link_opened(node_id=other.id, channel=other.id)
    before = Node.objects.get(pk=other.id).last_seen_at
    heard = list[bool]()
    publish_offers = offers.publish_offers

    def publish(**given: Any) -> list[str]:
        heard.append(Node.objects.get(pk=other.id).last_seen_at != before)
        return publish_offers(**given)

    monkeypatch.setattr(offers, "publish_offers", publish)
    batch = Batch()
    batch.put(node.id, Offers(offers=[signed_offer(bee_key)]))
    batch.put(other.id, Observed(revision=1, at_ms=0, assignments=[]))

    take(batch)

    assert heard == [True]
    assert node.offers.count() == 1
