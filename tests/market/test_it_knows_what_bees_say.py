"""Names that Bees put into their offers are known to filters: who asks for one is told of no slip."""

from decimal import Decimal
from pathlib import Path
from typing import cast

from eth_account import Account

from agent import gpus, hardware, machine
from agent.config import Config, Rent
from agent.gpus import Gpu
from agent.offers import make_offers
from agent.protocol import Price
from agent.runtimes.base import Runtime
from apps.market.filters.known import KNOWN, OFFERED


class SomeRuntime:
    name, version = "process", "1"


def test_it_knows_every_property_of_a_bees_offer(tmp_path: Path) -> None:
    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1))
    [offer] = make_offers(
        runtimes=[cast(Runtime, SomeRuntime())],
        config=Config(url="http://q", name="b", advertise="h", rent=rent),
        asked=Price(),
        machine=machine.properties("b", tmp_path, "eu-west") | hardware.properties(),
        key=Account.create(),
        chain_id=1,
        now_ms=0,
    )
    told = {*offer.properties, *gpus.properties([Gpu(id="GPU-1", model="A100")])}
    assert told - OFFERED - KNOWN.keys() == set()
