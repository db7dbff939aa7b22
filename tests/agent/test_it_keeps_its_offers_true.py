"""Offers follow what the owner wants now: anew in time and when the price moves, withdrawn by the hour."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from eth_account import Account

from agent import clock, typed_data
from agent.config import Config, Prices, Rent
from agent.identity import node_id
from agent.negotiate import local_time
from agent.offering import PROMISE_S, Offering
from agent.offers import RENEW_AFTER_S, VALID_S
from agent.protocol import Price, Terms
from agent.rules.judge import judge_for
from agent.runtimes.base import Runtime

D = Decimal
CHAIN_ID = 31337
KEY = Account.create()
NOON_MS = int(datetime(2026, 11, 2, 12).timestamp() * 1000)
HOUR_MS = 3_600_000
BY_LOAD = Prices(policy="load", second=D("0.001"), cpu_second=D(0), peak_percent=D(200))


class SomeRuntime:
    name, version = "process", "1"


class Market:
    """An offering and the clocks around it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, prices: Prices = BY_LOAD, hours: Any = ()) -> None:
        rent = Rent(threads=D(100), mem_gib=D(100), hours=hours)
        config = Config(url="http://q", name="b", advertise="h", rent=rent, prices=prices)
        self.now_s, self.now_ms, self.paused = 1000.0, NOON_MS, False
        monkeypatch.setattr(clock, "boot_s", lambda: self.now_s)
        monkeypatch.setattr(clock, "wall_ms", lambda: self.now_ms)
        self.offering = Offering(
            config=config,
            judge=judge_for(config, Path("/nowhere")),
            runtimes=[cast(Runtime, SomeRuntime())],
            key=KEY,
            machine_threads=D(100),
            properties=dict,
        )

    def renew(self, rented: int = 0, *, after_s: float = 0, chain_id: int = CHAIN_ID) -> bool:
        self.now_s += after_s
        self.now_ms += int(after_s * 1000)
        return self.offering.renew(
            [_terms(rented)], chain_id=chain_id, now_ms=self.now_ms, paused=self.paused
        )

    @property
    def price(self) -> Decimal:
        [offer] = self.offering.newest
        return offer.price.second_glm


def _terms(threads: int) -> Terms:
    return Terms(
        agreement_id="g",
        requestor="",
        provider="",
        offer_id="",
        runtime="process",
        image="i",
        cpu_threads=D(threads),
        mem_gib=D(0),
        price=Price(),
        valid_from_ms=0,
        expires_at_ms=1,
    )


def test_it_offers_once_and_again_before_the_offer_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(monkeypatch)
    assert market.renew()
    [first] = market.offering.newest
    message = typed_data.offer(first, node=node_id(KEY), chain_id=CHAIN_ID)
    assert typed_data.is_signed_by(message, first.signature, node_id(KEY))
    assert not market.renew(after_s=RENEW_AFTER_S - 1)
    assert market.renew(after_s=1)
    assert market.offering.newest[0].offer_id != first.offer_id
    assert first.offer_id in market.offering.known(market.now_ms), "what was asked of it is still answered"
    market.now_ms += int(VALID_S * 1000)
    assert market.offering.known(market.now_ms) == {}


def test_it_offers_anew_when_the_price_is_notably_off_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(monkeypatch)
    market.renew()
    assert not market.renew(rented=5)
    assert market.renew(rented=6)
    assert market.price == D("0.00106")
    coefficients = market.offering.newest[0].properties["golem.com.pricing.model.linear.coeffs"]
    assert D(coefficients[1]) == market.price
    assert market.renew(rented=0), "it gets cheaper, too"
    assert market.price == D("0.001")


def test_it_stands_for_an_old_price_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(monkeypatch)
    market.renew()
    [old] = market.offering.newest
    market.renew(rented=50)
    [new] = market.offering.newest
    assert market.offering.promised() == {old.offer_id, new.offer_id}
    market.now_s += PROMISE_S
    assert market.offering.promised() == {new.offer_id}


def test_it_offers_nothing_outside_the_hours_and_everything_again_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = Market(monkeypatch, hours=("08:00-13:00",))
    assert local_time().hour == 12
    market.renew()
    assert len(market.offering.newest) == 1
    market.now_ms += HOUR_MS
    assert market.renew()
    assert market.offering.newest == []
    assert not market.renew()
    market.now_ms += 19 * HOUR_MS
    assert market.renew()
    assert len(market.offering.newest) == 1


def test_it_signs_anew_for_another_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(monkeypatch)
    market.renew()
    assert market.renew(chain_id=1)
    [offer] = market.offering.newest
    assert typed_data.is_signed_by(
        typed_data.offer(offer, node=node_id(KEY), chain_id=1), offer.signature, node_id(KEY)
    )
