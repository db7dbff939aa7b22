"""What facts come to: who keeps agreements rises, who loses them falls, and time heals both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.market.reputation.records import FactKind
from apps.market.reputation.telling import explain
from apps.market.reputation.weighing import (
    MOST_INHERITED,
    MOST_OF_ONE_TEAM,
    NEWCOMER,
    NEWCOMER_UNTIL,
    NOTHING,
    Fact,
    Record,
    faded,
    just,
    stand,
    weigh,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HALF_LIFE = timedelta(days=30)


def kept(*, team: int = 1, days_ago: float = 0, agreement: str = "a", weight: float = 1.0) -> Fact:
    return Fact(FactKind.KEPT, NOW - timedelta(days=days_ago), weight, 1.0, team, agreement)


def lost(*, team: int = 1, days_ago: float = 0, agreement: str = "b", detail: str = "") -> Fact:
    at = NOW - timedelta(days=days_ago)
    return Fact(FactKind.LOST, at, 1.0, 0.0, team, agreement, detail=detail)


def uptime(merit: float, *, days_ago: float = 1) -> Fact:
    return Fact(FactKind.UPTIME, NOW - timedelta(days=days_ago), 0.1, merit)


def failed_start(subject: str) -> Fact:
    return Fact(FactKind.START_FAILED, NOW, 0.5, 0.0, 1, subject=subject)


def weighed(facts: list[Fact], *, now: datetime = NOW) -> Record:
    return weigh(facts, now=now, half_life=HALF_LIFE)


def score(facts: list[Fact], *, inherited: Record = NOTHING) -> float:
    return stand(weighed(facts), inherited=inherited).score


def of_many_teams(make: object, count: int) -> list[Fact]:
    return [make(team=team, agreement=f"{team}") for team in range(count)]  # type: ignore[operator]


facts_of_any_kind = st.lists(
    st.builds(
        Fact,
        kind=st.sampled_from([FactKind.KEPT, FactKind.LOST, FactKind.UPTIME, FactKind.DISPUTED]),
        at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
        weight=st.floats(0, 1),
        merit=st.floats(0, 1),
        team=st.none() | st.integers(1, 3),
        agreement=st.sampled_from(["a", "b", "c", None]),
        detail=st.text(max_size=5),
    ),
    max_size=30,
)


@given(facts_of_any_kind, st.floats(0, 100), st.floats(0, 100))
def test_a_score_is_always_a_share(facts: list[Fact], good: float, bad: float) -> None:
    standing = stand(weighed(facts), inherited=Record(good, bad))
    assert 0 < standing.score < 1
    assert standing.evidence >= 0
    assert all(explain(facts, now=NOW, standing=standing))


@given(facts_of_any_kind)
def test_one_more_loss_never_raises_a_score(facts: list[Fact]) -> None:
    assert score([*facts, lost(team=99)]) <= score(facts)


@given(facts_of_any_kind)
def test_one_more_agreement_kept_never_lowers_a_score(facts: list[Fact]) -> None:
    assert score([*facts, kept(team=99)]) >= score(facts)


@given(facts_of_any_kind, st.permutations(range(30)))
def test_the_order_of_facts_makes_no_difference(facts: list[Fact], order: list[int]) -> None:
    shuffled = [facts[place] for place in order if place < len(facts)]
    assert abs(score(facts) - score(shuffled)) < 1e-9


def test_a_fact_weighs_half_after_a_half_life() -> None:
    assert faded(kept(days_ago=30), now=NOW, half_life=HALF_LIFE) == 0.5
    assert faded(kept(days_ago=-5), now=NOW, half_life=HALF_LIFE) == 1.0


def test_an_old_loss_is_forgiven_and_an_old_merit_forgotten() -> None:
    assert score([lost()]) < score([lost(days_ago=60)]) < NEWCOMER.score
    assert score([kept()]) > score([kept(days_ago=60)]) > NEWCOMER.score


def test_nothing_known_is_a_newcomer() -> None:
    assert stand(NOTHING) == NEWCOMER


def test_who_is_known_well_enough_is_no_newcomer() -> None:
    assert stand(weighed(of_many_teams(kept, 5))).is_newcomer
    assert not stand(weighed(of_many_teams(kept, 7))).is_newcomer
    assert not stand(weighed(of_many_teams(lost, 7))).is_newcomer


def test_one_team_alone_neither_makes_nor_breaks_a_node() -> None:
    praised = weighed([kept(agreement=str(number)) for number in range(1000)])
    assert (praised.good, praised.bad) == (MOST_OF_ONE_TEAM, 0)
    assert stand(praised).is_newcomer
    assert MOST_OF_ONE_TEAM < NEWCOMER_UNTIL
    spoken_ill_of = [lost(team=1, agreement=str(number)) for number in range(1000)]
    assert score([*spoken_ill_of, *of_many_teams(kept, 20)]) > 0.75


def test_uptime_is_no_teams_word_and_not_bounded() -> None:
    assert weighed([uptime(1.0) for _ in range(100)]).good > MOST_OF_ONE_TEAM


def test_a_new_key_does_not_wash_off_a_bad_name() -> None:
    before = weighed(of_many_teams(lost, 8))
    again = stand(NOTHING, inherited=before)
    assert again.inherits
    assert again.is_newcomer
    assert again.score <= stand(before).score + 1e-9


def test_after_a_new_key_it_is_no_easier_to_rise() -> None:
    before, merits = weighed(of_many_teams(lost, 8)), of_many_teams(kept, 4)
    assert score(merits, inherited=before) <= score([*of_many_teams(lost, 8), *merits]) + 1e-9


def test_a_good_name_does_not_go_with_a_new_machine() -> None:
    assert stand(NOTHING, inherited=Record(good=50)) == NEWCOMER


def test_a_new_machine_of_a_large_owner_can_still_rise() -> None:
    inherited = Record(good=100, bad=900)
    assert inherited.at_most(MOST_INHERITED).weight == MOST_INHERITED
    assert score(of_many_teams(kept, 30), inherited=inherited) > NEWCOMER.score


def test_what_comes_up_nowhere_is_not_held_against_a_node() -> None:
    facts = [failed_start("broken"), failed_start("sound"), lost()]
    judged = just(facts, started_elsewhere=frozenset({"sound"}))
    assert [fact.subject for fact in judged] == ["sound", ""]


def told(facts: list[Fact]) -> list[str]:
    return explain(facts, now=NOW, standing=stand(weighed(facts)))


def test_it_tells_how_many_agreements_were_lost_and_why() -> None:
    facts = [
        *of_many_teams(kept, 7),
        lost(team=8, agreement="x", detail="it fell silent"),
        lost(team=9, agreement="y", detail="it fell silent"),
    ]
    assert told(facts)[0] == "lost 2 of 9 agreements in the last 30 days: it fell silent (2)"


def test_it_counts_an_agreement_that_lasted_for_days_once() -> None:
    days = [Fact(FactKind.SERVED, NOW - timedelta(days=day), 0.25, 1.0, 1, "long") for day in range(1, 10)]
    assert told([*days, kept(agreement="long")])[0] == "kept the one agreement of the last 30 days"
    assert told([*days, lost(agreement="long")])[0] == "lost 1 of 1 agreement in the last 30 days"


def test_it_tells_of_the_last_30_days_alone() -> None:
    assert told([lost(days_ago=31)]) == ["a newcomer: too little is known of it yet to rely on it"]


def test_it_tells_what_speaks_against_a_node_first() -> None:
    facts = [*of_many_teams(kept, 9), uptime(0.999), uptime(0.9)]
    assert told(facts) == [
        "kept all 9 agreements of the last 30 days",
        "was there 94.9 % of the time on 2 days",
    ]
    slow = Fact(FactKind.SLOWED, NOW, 0.5, detail="one thread 34 % below its usual 21.5")
    assert told([*facts, slow])[0] == "became slower: one thread 34 % below its usual 21.5"


def test_what_weighs_most_is_told_first() -> None:
    slow = Fact(FactKind.SLOWED, NOW, 0.5, detail="one thread 34 % below its usual 21.5")
    forged = [Fact(FactKind.BAD_SIGNATURE, NOW, 1.0)] * 2
    assert [sentence.split()[0] for sentence in told([slow, *forged, lost()])[:3]] == [
        "signed",
        "lost",
        "became",
    ]


def test_a_claim_that_is_a_little_too_high_is_no_news() -> None:
    assert len(told([Fact(FactKind.DISPUTED, NOW, 0.004, detail="0.000001 too much")])) == 1
    dispute = Fact(FactKind.DISPUTED, NOW, 0.4, detail="asks 2 GLM, 1.2 were rated")
    assert told([dispute])[0] == "asked for too much under 1 agreement: asks 2 GLM, 1.2 were rated"


def test_it_never_rounds_up_to_all_of_the_time() -> None:
    assert "99.9 %" in told([uptime(0.9999)])[0]


def test_it_tells_what_does_not_count() -> None:
    refused = Fact(FactKind.REFUSED, NOW, 0.0, 0.0, None, "r")
    own = kept(agreement="own", weight=0.0)
    assert told([refused, own])[-2:] == [
        "1 agreement with its owner's own team, not counted",
        "would not sign on 1 occasion, as its owner may: not counted",
    ]
    assert score([refused, own]) == NEWCOMER.score
