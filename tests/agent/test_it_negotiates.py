"""The owner's rules and prices against what the Queen asks: pure functions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.conceding import asked_in
from agent.config import Config, Prices, Rent, Rules
from agent.negotiate import (
    Standing,
    answer_proposal,
    objection_to_agreement,
    objection_to_assignment,
)
from agent.pricing import prices_now
from agent.protocol import (
    ROUNDS,
    AgreementToSign,
    Assignment,
    Offer,
    Price,
    Proposal,
    Terms,
    Verdict,
    Workload,
)
from agent.rules.judge import Judge, judge_for

D = Decimal
ME, QUEEN = "0x" + "aa" * 20, "0x" + "bb" * 20
NOW_MS = 1_000_000
AT = datetime(2026, 11, 2, 12)
CONFIG = Config(
    url="http://q",
    name="b",
    advertise="h",
    rent=Rent(threads=Decimal(4), mem_gib=Decimal(8)),
    prices=Prices(second=Decimal("0.001"), cpu_second=Decimal("0.002"), lowest_percent=Decimal(80)),
    rules=Rules(images=("hive/*",)),
)
JUDGE = Judge(rules=CONFIG.rules)
TERMS = Terms(
    agreement_id="g1",
    requestor=QUEEN,
    provider=ME,
    offer_id="o1",
    runtime="process",
    image="hive/hello:1",
    cpu_threads=Decimal(2),
    mem_gib=Decimal(2),
    price=CONFIG.prices.asked,
    valid_from_ms=NOW_MS,
    expires_at_ms=NOW_MS + 1000,
)
OFFER = Offer(
    offer_id="o1",
    runtime="process",
    cpu_threads=Decimal(4),
    mem_gib=Decimal(8),
    storage_gib=Decimal(1),
    price=CONFIG.prices.asked,
    valid_s=3600,
    issued_at_ms=NOW_MS,
    signature="",
)


def standing(**changes: Any) -> Standing:
    given = {
        "node_id": ME,
        "queen": QUEEN,
        "rent": CONFIG.rent,
        "judge": JUDGE,
        "pricing": prices_now(CONFIG, [], Decimal(4)),
        "runtimes": ["process"],
        "offers": {"o1": OFFER},
        "promised": ["o1"],
        "signed": [],
        "at": AT,
    }
    return Standing(**(given | changes))


def price(share: str) -> Price:
    asked = CONFIG.prices.asked
    return Price(
        second_glm=asked.second_glm * Decimal(share), cpu_second_glm=asked.cpu_second_glm * Decimal(share)
    )


def propose(share: str, round: int = 1) -> Proposal:
    return Proposal(proposal_id="p1", round=round, terms=replace(TERMS, price=price(share)))


def objection(terms: Terms = TERMS, **changes: Any) -> str:
    return objection_to_agreement(
        AgreementToSign(terms=terms, requestor_signature=""), standing(**changes), NOW_MS
    )


def test_it_gives_way_by_a_fifth_of_its_room_in_each_round() -> None:
    answers = [answer_proposal(propose("0.5", round), standing(), NOW_MS) for round in range(1, ROUNDS)]
    assert {answer.verdict for answer in answers} == {Verdict.COUNTERED}
    assert [answer.counter_price for answer in answers] == [
        price(each) for each in ("0.96", "0.92", "0.88", "0.84")
    ]
    assert answers[0].reason == "9 GLM an hour is below the owner's 17.28"


def test_it_takes_in_each_round_what_it_would_ask_there_and_no_less() -> None:
    for round, share in enumerate(("0.96", "0.92", "0.88", "0.84", "0.8"), start=1):
        assert answer_proposal(propose(share, round), standing(), NOW_MS).verdict == Verdict.ACCEPTED
        less = str(D(share) - D("0.000001"))
        assert answer_proposal(propose(less, round), standing(), NOW_MS).verdict != Verdict.ACCEPTED


def test_a_question_that_comes_twice_has_the_same_answer() -> None:
    first, again = (answer_proposal(propose("0.5", 2), standing(), NOW_MS) for _ in range(2))
    assert first == again


def test_it_never_asks_for_less_than_its_lowest_whatever_round_it_is_told() -> None:
    for round in (0, ROUNDS, ROUNDS + 1, 1 << 30):
        ask = asked_in(round, asked=CONFIG.prices.asked, lowest=CONFIG.prices.lowest)
        assert price("0.8").second_glm <= ask.second_glm <= price("1").second_glm


def test_where_the_owner_does_not_bargain_every_counter_is_what_is_asked() -> None:
    firm = prices_now(replace(CONFIG, prices=replace(CONFIG.prices, lowest_percent=D(100))), [], D(4))
    answer = answer_proposal(propose("0.9", 3), standing(pricing=firm), NOW_MS)
    assert (answer.verdict, answer.counter_price) == (Verdict.COUNTERED, CONFIG.prices.asked)


def test_it_ends_a_bargain_that_leads_nowhere() -> None:
    assert answer_proposal(propose("0.5", round=ROUNDS), standing(), NOW_MS).verdict == Verdict.REJECTED


def test_it_takes_a_price_that_is_shifted_between_the_parts_but_as_good() -> None:
    shifted = replace(TERMS, price=Price(second_glm=Decimal("0.005")))
    assert objection(shifted) == ""


def test_it_takes_no_price_that_an_idle_replica_would_not_pay() -> None:
    shifted = replace(TERMS, price=Price(cpu_second_glm=D("0.01")))
    assert objection(shifted) == "0 GLM an hour without CPU time is below the owner's 2.88"


def test_it_keeps_for_a_moment_to_what_it_offered_though_it_asks_more_by_now() -> None:
    dearer = prices_now(replace(CONFIG, prices=Prices(second=D(1))), [], D(4))
    assert objection(pricing=dearer) == ""
    assert "below the owner's 3600" in objection(pricing=dearer, promised=[])
    cheaper = replace(TERMS, price=price("0.99"))
    assert "below the owner's 3600" in objection(cheaper, pricing=dearer), "a bargain was not promised"


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.ACCEPTED])
def test_it_keeps_the_owners_hours_and_teams_at_every_step(verdict: Verdict) -> None:
    """Proposal, agreement and assignment, each by itself: the rules may change in between."""
    for allowing, forbidding in (
        (judge(teams=("bees",)), judge(teams=("wasps",))),
        (judge(hours=("00:00-24:00",)), judge(hours=never())),
    ):
        rule = allowing if verdict == Verdict.ACCEPTED else forbidding
        terms = replace(TERMS, team="bees")
        asked = Proposal(proposal_id="p1", round=1, terms=terms)
        assert answer_proposal(asked, standing(judge=rule), NOW_MS).verdict == verdict
        assert (objection(terms, judge=rule) == "") == (verdict == Verdict.ACCEPTED)
        why_not = objection_to_assignment(assigned(), {"g1": terms}, ["process"], rule, AT)
        assert (why_not == "") == (verdict == Verdict.ACCEPTED)


def judge(hours: tuple[str, ...] = (), **rules: Any) -> Judge:
    rent = replace(CONFIG.rent, hours=hours)
    return judge_for(replace(CONFIG, rent=rent, rules=Rules(**rules)), Path("/nowhere"))


def never() -> tuple[str, ...]:
    """An hour that is not now."""
    hour = (AT.hour + 2) % 24
    return (f"{hour:02}:00-{hour:02}:30",)


def test_it_would_sign_what_it_offered() -> None:
    assert objection() == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"requestor": ME}, "not the queen of this link"),
        ({"provider": QUEEN}, "not this bee"),
        ({"offer_id": "other"}, "not one of this bee's"),
        ({"runtime": "docker"}, "not one of this bee's"),
        ({"image": "evil/miner:1"}, "rules don't allow image evil/miner:1"),
        ({"expires_at_ms": NOW_MS}, "run out already"),
        ({"expires_at_ms": NOW_MS + 10**11}, "longer than 90 days"),
        ({"cpu_threads": Decimal(5)}, "5 CPU threads are asked, 4 are free"),
        ({"mem_gib": Decimal("8.5")}, "8.5 GiB of memory are asked, 8 are free"),
        ({"storage_gib": Decimal(11)}, "11 GiB of storage are asked, 10 are free"),
        ({"gpus": 1}, "1 GPUs are asked, 0 are free"),
        ({"price": Price()}, "0 GLM an hour is below the owner's 14.4"),
    ],
)
def test_it_signs_nothing_that_the_owner_would_not(changes: dict[str, Any], words: str) -> None:
    assert words in objection(replace(TERMS, **changes))


def test_it_rents_nothing_out_twice() -> None:
    other = replace(TERMS, agreement_id="g0", cpu_threads=Decimal(3))
    assert objection(signed=[other]) == "2 CPU threads are asked, 1 are free"
    large = replace(TERMS, cpu_threads=Decimal(3))
    assert objection(large, signed=[large]) == "", "asked again for what it has signed"


def test_storage_and_gpus_are_rented_out_once_too() -> None:
    rent = replace(CONFIG.rent, gpus=2)
    other = replace(TERMS, agreement_id="g0", storage_gib=Decimal(7), gpus=1)
    offered = {"o1": replace(OFFER, gpus=2)}
    asked = replace(TERMS, storage_gib=Decimal(3), gpus=1)
    assert objection(asked, rent=rent, signed=[other], offers=offered) == ""
    assert objection(asked, rent=rent) == "1 GPUs are asked, 0 are offered on process"
    more = replace(TERMS, storage_gib=Decimal("3.5"))
    assert objection(more, rent=rent, signed=[other]) == "3.5 GiB of storage are asked, 3 are free"
    more = replace(TERMS, gpus=2)
    assert objection(more, rent=rent, signed=[other]) == "2 GPUs are asked, 1 are free"


def test_it_refuses_a_runtime_that_works_no_more() -> None:
    assert objection(runtimes=[]) == "runtime process does not work here now"


def assigned(**changes: Any) -> Assignment:
    workload = Workload(image=TERMS.image, runtime="process", cpu_threads=Decimal(2), mem_gib=Decimal(2))
    return Assignment(
        assignment_id="a1",
        agreement_id="g1",
        replica="web-1",
        generation=1,
        lease_s=1,
        workload=replace(workload, **changes),
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        (
            {"image": "hive/other:1"},
            "the agreement is for hive/hello:1 on process, not hive/other:1 on process",
        ),
        ({"runtime": "docker"}, "not hive/hello:1 on docker"),
        ({"cpu_threads": Decimal(3)}, "more than the agreement gives"),
        ({"mem_gib": Decimal(3)}, "more than the agreement gives"),
        ({"storage_gib": Decimal(1)}, "more than the agreement gives"),
        ({"gpus": 1}, "more than the agreement gives"),
    ],
)
def test_it_runs_only_what_it_has_signed(changes: dict[str, Any], words: str) -> None:
    why_not = objection_to_assignment(assigned(**changes), {"g1": TERMS}, ["process"], JUDGE, AT)
    assert words in why_not
    assert bool(why_not) == bool(words)


def test_it_runs_nothing_without_an_agreement() -> None:
    assert (
        objection_to_assignment(assigned(), {}, ["process"], JUDGE, AT)
        == "this bee has signed no agreement g1"
    )
