"""A low rate is not all that a replica costs: what it costs to begin and to send is bounded, too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agent.protocol import Answer, Price, Verdict
from apps.market.models import Demand, Proposal, ProposalState
from apps.market.negotiating.bids import reply_to
from apps.market.placing.matching import rank
from apps.market.placing.nearest import nearest, why_nothing_fits
from apps.money import price_columns
from apps.nodes.models import Offer
from tests.market.listings import book, listing, names, need

BAIT = listing("bait", per_hour="0.000001", start_glm=Decimal(2))
HONEST = listing("honest", per_hour="0.01", start_glm=Decimal("0.01"))


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ({}, ["honest"]),
        ({"max_price_per_hour_glm": Decimal("0.02")}, ["honest"]),
        ({"max_price_per_hour_glm": Decimal("0.02"), "max_start_glm": Decimal("0.001")}, []),
        ({"max_start_glm": Decimal(2)}, ["bait", "honest"]),
    ],
)
def test_what_it_costs_to_begin_is_at_most_an_hour_at_the_limit_unless_the_file_says_so(
    asked: dict[str, Any], served: list[str]
) -> None:
    assert names(rank(book([BAIT, HONEST]), need(**asked))) == served


def test_what_it_costs_to_send_is_bounded_where_the_file_says_nothing() -> None:
    dear = listing("dear", per_hour="0.001", egress_gib_glm=Decimal(999_999))
    assert names(rank(book([dear, HONEST]), need())) == ["honest"]
    assert names(rank(book([dear, HONEST]), need(max_egress_gib_glm=Decimal(10**6)))) == ["dear", "honest"]


def test_it_says_what_would_have_to_be_allowed() -> None:
    market, asked = book([BAIT]), need(max_price_per_hour_glm=Decimal("0.02"))
    assert "asks 2 GLM or more to begin with" in why_nothing_fits(market, asked)
    near = nearest(market, asked)
    assert near and names(rank(market, near.need)) == ["bait"]


@pytest.mark.parametrize("more", [{"start_glm": Decimal(9)}, {"egress_gib_glm": Decimal(999_999)}])
def test_a_bargain_is_about_the_rate_alone(more: dict[str, Decimal]) -> None:
    offered = Price(second_glm=Decimal("0.001"), start_glm=Decimal("0.1"), egress_gib_glm=Decimal("0.1"))
    demand = Demand(cpu_threads=Decimal(1), max_price_per_hour_glm=Decimal(1))
    proposal = Proposal(demand=demand, offer=Offer(**price_columns(offered)), **price_columns(offered))
    baited = Price(**{"second_glm": Decimal("0.0000001"), "start_glm": offered.start_glm} | more)
    counter = Answer(verdict=Verdict.COUNTERED, proposal_id=str(proposal.pk), counter_price=baited)
    reply = reply_to(proposal, counter, [])
    assert reply.state == ProposalState.REJECTED and "its offer" in reply.reason


@pytest.mark.parametrize(
    ("boast", "served"),
    [
        ({"cpu_single": 1_000_000.0}, "honest"),  # 0.01 / 3 medians is more than 0.003 / 1
        ({"cpu_single": 1_000_000.0, "is_newcomer": True}, "honest"),
        ({"cpu_single": 50.0, "is_newcomer": True, "per_hour": "0.0031"}, "honest"),
    ],
)
def test_a_claimed_speed_that_nobody_else_has_wins_nothing(boast: dict[str, Any], served: str) -> None:
    others = [listing(f"honest {n}", per_hour="0.003", cpu_single=20.0) for n in range(3)]
    boaster = listing("boaster", **({"per_hour": "0.01"} | boast))
    best = rank(book([boaster, *others]), need(strategy="best_value"))[0].offer.name
    assert best.startswith(served)
