"""An application key in a whole Hive: the Queen keeps to it, and the Bee does of the real image."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import hive_client
from hive_client import HiveError
from tests.hive.whole import COMPOSE, Bee, WholeHive, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture
def bee(hive: WholeHive) -> Iterator[Bee]:
    with hive.bee("by-the-key") as joined:
        yield joined


def source(name: str) -> str:
    return COMPOSE.format(name=name, lease_s=60)


def refusal_of(hive: WholeHive, bee: Bee, words: str) -> str:
    """Of the first agreement with this bee that ended for such a reason; from the audit trail."""

    def told() -> list[str]:
        ours = [one.id for one in hive.team.agreements() if one.node == bee.node_id]
        reasons = [reason for each in ours for _, _, reason in hive.history("agreement", each)]
        return [reason for reason in reasons if words in reason]

    return until(told, within_s=60)[0]


def test_the_bee_starts_no_image_but_those_of_the_key(hive: WholeHive, bee: Bee) -> None:
    key = hive.team.keys.make("shop", images=[UNKNOWN], providers=[bee.node_id])
    assert key.key
    with hive_client.Hive(hive.url, key.key) as shop:
        shop.apply(shop.plan(source("by-digest")))
        reason = refusal_of(hive, bee, "the application key does not allow image hive/hello:1 (sha256:")
        assert bee.replicas() == []
        found = re.search(r"sha256:[0-9a-f]{64}", reason)
        assert found
        hive.team.keys.change(key.id, images=[found[0]], limit_glm=1)
        shop.deployments.stop("by-digest")
        shop.deployments.start("by-digest")
        healthy = shop.wait(shop.deployments.get("by-digest"), timeout_s=90)
        assert healthy.status == "healthy"
        assert len(bee.replicas()) == 1
        assert 0 < hive.team.keys.get(key.id).spent_glm < 1
        with pytest.raises(HiveError, match="reaches plans, deployments and the market"):
            shop.keys.make("more")
        shop.deployments.stop("by-digest")
        until(lambda: not bee.replicas())
