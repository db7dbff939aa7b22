"""Rating worked by hand, to the last digit; no database."""

from decimal import Decimal

import pytest

from agent.protocol import Price
from apps.billing.metering.bill import STOPS_WITHIN_MS, Reported, Watched, bill

PRICE = Price(
    start_glm=Decimal("0.0001"),
    cpu_second_glm=Decimal("0.000001"),
    second_glm=Decimal("0.000002"),
    egress_gib_glm=Decimal("0.01"),
)
MINUTE = 60_000


def watched(**fields):
    full = {
        "passed_ms": MINUTE,
        "leased_ms": MINUTE,
        "heard_ms": MINUTE,
        "cpu_threads": Decimal("0.5"),
        "edge_bytes": 2**40,
    }
    return Watched(**(full | fields))


def billed(reported, *, first=False, egress_billed_bytes=0, **fields):
    return bill(
        reported=reported,
        watched=watched(**fields),
        price=PRICE,
        first=first,
        egress_billed_bytes=egress_billed_bytes,
    )


def test_it_bills_what_all_sides_agree_on():
    """60 s x 0.000002 + 6 s x 0.000001 + 1 MiB / 1024 MiB x 0.01 + the start price."""
    result = billed(Reported(MINUTE, 6_000, 2**20), first=True)
    assert result.cost_glm == Decimal("0.000235765625")
    assert (result.running_ms, result.cpu_ms, result.egress_bytes) == (MINUTE, 6_000, 2**20)
    assert result.reduced_because == ""


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("passed_ms", "that much time passed"),
        ("leased_ms", "the lease covers"),
        ("heard_ms", "the Queen heard"),
    ],
)
def test_it_bills_the_least_and_says_whose(limit, words):
    """40 of 60 s: 40 x 0.000002 + 4 CPU seconds (6 x 40/60) x 0.000001."""
    result = billed(Reported(MINUTE, 6_000), **{limit: 40_000})
    assert (result.running_ms, result.cpu_ms, result.cost_glm) == (40_000, 4_000, Decimal("0.000084"))
    assert "60.000 s reported" in result.reduced_because
    assert words in result.reduced_because


def test_it_bills_no_more_cpu_than_was_rented():
    result = billed(Reported(MINUTE, 240_000))
    assert (result.cpu_ms, result.cost_glm) == (30_000, Decimal("0.00015"))
    assert result.reduced_because == "240.000 CPU seconds reported, 30.000 were rented"


@pytest.mark.parametrize(("cpu_ms", "is_a_fault"), [(30_000, False), (30_100, False), (30_101, True)])
def test_it_blames_nobody_for_one_period_of_the_kernels_quota(cpu_ms, is_a_fault):
    result = billed(Reported(MINUTE, cpu_ms))
    assert result.cpu_ms == 30_000
    assert bool(result.reduced_because) is is_a_fault


@pytest.mark.parametrize(
    ("running_ms", "late_ms", "is_overclaim"),
    [
        (41_000, 20_000, False),
        (60_000, 20_000, False),
        (60_001, 20_000, True),
        (60_000, STOPS_WITHIN_MS, False),
        (60_000, STOPS_WITHIN_MS + 1, True),
        (41_000, 0, True),
    ],
)
def test_it_blames_nobody_for_the_time_it_takes_to_stop(running_ms, late_ms, is_overclaim):
    result = billed(Reported(running_ms, 0), leased_ms=40_000, late_ms=late_ms)
    assert (result.running_ms, result.is_overclaim) == (40_000, is_overclaim)
    assert "the lease covers 40.000 s" in result.reduced_because


def test_it_bills_nothing_without_a_lease():
    assert billed(Reported(MINUTE, 6_000), leased_ms=0, first=True).cost_glm == 0


def test_it_charges_the_start_once_something_ran():
    assert billed(Reported(0, 0), first=True).cost_glm == 0
    assert billed(Reported(1_000, 0), first=True).cost_glm == Decimal("0.000102")


def test_it_bills_the_egress_the_edge_saw():
    assert billed(Reported(0, 0, 2**30), edge_bytes=2**20).egress_bytes == 2**20
    assert billed(Reported(0, 0, 2**20), edge_bytes=2**30).egress_bytes == 2**20
    assert billed(Reported(0, 0, 0), edge_bytes=2**30).egress_bytes == 0


def test_it_catches_up_on_egress_the_edge_counted_late():
    """The Bee's 3 MiB so far meet the edge's 2 MiB so far; 1 MiB was billed before."""
    result = billed(Reported(0, 0, 3 * 2**20), edge_bytes=2 * 2**20, egress_billed_bytes=2**20)
    assert result.egress_bytes == 2**20


def test_it_rounds_once_half_to_even():
    price = Price(second_glm=Decimal("0.000000000000000001"))
    costs = [
        bill(reported=Reported(ms, 0), watched=watched(), price=price, first=False).cost_glm
        for ms in (500, 1_500, 2_500)
    ]
    assert costs == [Decimal(0), Decimal("2E-18"), Decimal("2E-18")]


def test_it_loses_no_digit_before_it_rounds():
    """A byte of traffic is the 31st digit, and just more than half of the 22nd."""
    wei = Decimal("0.000000000000000001")
    price = Price(second_glm=Decimal(2000), cpu_second_glm=wei, egress_gib_glm=wei)
    full = watched(edge_bytes=1, cpu_threads=Decimal(1))
    cost = bill(reported=Reported(500, 500, 1), watched=full, price=price, first=False).cost_glm
    assert cost == 1000 + wei
