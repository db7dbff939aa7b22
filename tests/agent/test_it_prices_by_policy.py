"""What the owner asks: fixed, by load, or so that nothing works at a loss."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.config import Config, Costs, Prices, Rent
from agent.pricing import by_cost, cost_sheet, differs_notably, prices_now, share_rented, why_below
from agent.protocol import Price, Terms

D = Decimal
RENT = Rent(threads=D(4), mem_gib=D(8))
COSTS = Costs(
    watts_idle=D(40),
    watts_busy=D(120),
    power_price_per_kwh=D("0.30"),
    glm_price=D("0.25"),
    machine_price=D(800),
    lifetime_years=D(4),
    hours_per_day=D(12),
)


def config(costs: Costs | None = None, **prices: Any) -> Config:
    return Config(url="http://q", name="b", advertise="h", rent=RENT, prices=Prices(**prices, cost=costs))


def rented(threads: str, mem: str = "0") -> Terms:
    return Terms(
        agreement_id="g",
        requestor="",
        provider="",
        offer_id="",
        runtime="process",
        image="i",
        cpu_threads=D(threads),
        mem_gib=D(mem),
        price=Price(),
        valid_from_ms=0,
        expires_at_ms=1,
    )


# -- fixed and by load ------------------------------------------------------------------------------------


def test_it_asks_what_is_written() -> None:
    fixed = config(second=D("0.002"), cpu_second=D("0.001"), lowest_percent=D(50))
    pricing = prices_now(fixed, [rented("4")], D(4))
    assert pricing.asked == Price(second_glm=D("0.002"), cpu_second_glm=D("0.001"))
    assert pricing.lowest == Price(second_glm=D("0.001"), cpu_second_glm=D("0.0005"))


@pytest.mark.parametrize(
    ("taken", "share"), [([], "1"), ([rented("1")], "1.5"), ([rented("2", "6")], "2.5"), ([rented("8")], "3")]
)
def test_it_asks_more_the_fuller_it_is(taken: list[Terms], share: str) -> None:
    by_load = config(
        policy="load", second=D("0.002"), start=D("0.1"), peak_percent=D(300), lowest_percent=D(50)
    )
    pricing = prices_now(by_load, taken, D(4))
    assert pricing.asked == Price(
        second_glm=D("0.002") * D(share),
        start_glm=D("0.1") * D(share),
        cpu_second_glm=D("0.000002") * D(share),
    )
    assert pricing.lowest.second_glm == pricing.asked.second_glm / 2


def test_it_is_full_when_nothing_is_for_rent() -> None:
    assert share_rented(replace(RENT, threads=D(0)), []) == 1


# -- by cost ----------------------------------------------------------------------------------------------


def test_it_reckons_the_cost_of_an_hour() -> None:
    sheet = cost_sheet(RENT, COSTS, D(8))
    assert [line.per_hour for line in sheet.running] == [
        D("0.012"),  # 40 W at 0.30
        D("0.012"),  # twelve hours of waiting, carried by twelve
        D(800) / (4 * D("365.25") * 12),
    ]
    assert [line.per_hour for line in sheet.busy] == [D("0.003")]  # 10 W for each of eight threads


def test_it_counts_no_idle_power_of_a_machine_that_is_on_anyway() -> None:
    sheet = cost_sheet(RENT, replace(COSTS, always_on=True, machine_price=D(0)), D(8))
    assert sheet.running_per_hour == 0
    assert sheet.busy_per_hour == D("0.003")


def test_it_counts_the_first_thread_in_full() -> None:
    sheet = cost_sheet(RENT, replace(COSTS, watts_one_thread=D(65)), D(8))
    assert sheet.busy_per_hour == D("0.0075")  # 25 W at 0.30


def test_it_carries_waiting_only_in_the_hours_for_rent() -> None:
    nights = replace(RENT, hours=("20:00-08:00",))
    assert [line.per_hour for line in cost_sheet(nights, COSTS, D(8)).running][1] == 0
    short = replace(RENT, hours=("20:00-22:00",))
    assert cost_sheet(short, COSTS, D(8)).running[2].per_hour == D(800) / (4 * D("365.25") * 2)


def test_it_asks_the_margin_on_top_of_the_cost() -> None:
    pricing = by_cost(config(replace(COSTS, margin_percent=D(50)), policy="cost"), COSTS, D(8))
    exact = replace(COSTS, margin_percent=D(50))
    pricing = by_cost(config(exact, policy="cost"), exact, D(8))
    assert pricing.asked.second_glm == pytest.approx(pricing.lowest.second_glm * D("1.5"))
    assert pricing.asked.cpu_second_glm == pytest.approx(pricing.lowest.cpu_second_glm * D("1.5"))


amounts = st.decimals(min_value=0, max_value=2000, places=3)
costs_of_any_machine = st.builds(
    lambda idle, one, busy, kwh, glm, machine, years, hours, on, margin: Costs(
        watts_idle=idle,
        watts_one_thread=idle + min(one, busy),
        watts_busy=idle + max(one, busy),
        power_price_per_kwh=kwh,
        glm_price=glm,
        machine_price=machine,
        lifetime_years=years,
        hours_per_day=hours,
        always_on=on,
        margin_percent=margin,
    ),
    amounts,
    amounts,
    amounts,
    st.decimals(min_value=0, max_value=2, places=4),
    st.decimals(min_value="0.0001", max_value=1000, places=4),
    amounts,
    st.decimals(min_value="0.1", max_value=30, places=1),
    st.decimals(min_value="0.1", max_value=24, places=1),
    st.booleans(),
    st.decimals(min_value=0, max_value=500, places=1),
)


@given(
    costs=costs_of_any_machine,
    machine_threads=st.integers(min_value=1, max_value=256).map(D),
    threads=st.decimals(min_value="0.01", max_value=4, places=2),
    duration_ms=st.integers(min_value=1, max_value=10**10),
    busy_percent=st.integers(min_value=0, max_value=100),
    shift=st.decimals(min_value=-1, max_value=1, places=2),
)
def test_it_never_works_at_a_loss(
    costs: Costs,
    machine_threads: Decimal,
    threads: Decimal,
    duration_ms: int,
    busy_percent: int,
    shift: Decimal,
) -> None:
    """Whatever price it would take, for whatever use: after the Hive's tolerance it pays what it costs."""
    cost_config = config(costs, policy="cost")
    lowest = prices_now(cost_config, [], machine_threads).lowest
    offered = Price(
        second_glm=max(D(0), lowest.second_glm * (1 + shift)),
        cpu_second_glm=max(D(0), lowest.cpu_second_glm * (1 - shift)),
    )
    if why_below(offered, lowest, threads):
        offered = lowest
    duration_s = D(duration_ms) / 1000
    cpu_s = duration_s * threads * busy_percent / 100
    paid_glm = offered.cost_glm(duration_s=duration_s, cpu_s=cpu_s, egress_bytes=0, first=True)
    taken_glm = paid_glm * (1 - cost_config.rules.rated_tolerance_percent / 100)
    sheet = cost_sheet(RENT, costs, machine_threads)
    cost = (sheet.running_per_hour * duration_s + sheet.busy_per_hour * cpu_s) / 3600
    assert taken_glm * costs.glm_price >= cost - D("1e-15")


# -- comparing --------------------------------------------------------------------------------------------


def test_it_sees_through_a_price_that_an_idle_replica_would_not_pay() -> None:
    least = Price(second_glm=D("0.001"), cpu_second_glm=D("0.001"))
    shifted = Price(cpu_second_glm=D("0.01"))
    assert why_below(shifted, least, D(1)) == "0 GLM an hour without CPU time is below the owner's 3.6"
    assert why_below(Price(second_glm=D("0.002")), least, D(1)) == ""


@pytest.mark.parametrize(
    ("after", "notable"), [("1", False), ("1.05", False), ("1.06", True), ("0.94", True), ("0", True)]
)
def test_it_offers_anew_when_the_price_is_notably_off(after: str, notable: bool) -> None:
    price = Price(second_glm=D("0.001"))
    assert differs_notably(price, Price(second_glm=D("0.001") * D(after))) == notable


def test_it_offers_anew_when_something_free_is_no_longer() -> None:
    assert differs_notably(Price(), Price(egress_gib_glm=D("0.000001")))
