"""From what happens to a node's one row: facts noted once, kept for good, and reckoned together."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from celery import current_app
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent.protocol import Answer, Verdict
from apps.market.models import (
    Agreement,
    AgreementState,
    Demand,
    DemandState,
    FactKind,
    NodeReputation,
    Proposal,
    ReputationFact,
)
from apps.market.negotiating.agreements import MARKET, end_late_agreements, terminate
from apps.market.negotiating.answers import take_answers
from apps.market.negotiating.bids import expire_late_bids
from apps.market.reputation import reckoning
from apps.market.reputation.dealing import note_loss
from apps.market.reputation.gathering import gather, gather_drift, gather_service, gather_uptime
from apps.market.reputation.noting import note
from apps.market.reputation.reckoning import reckon, reckon_due
from apps.market.reputation.weighing import NEWCOMER
from apps.nodes.models import Listener, Node, NodeBenchmark, NodeSession, NodeState, Offer
from apps.teams.models import Member, Role, Team, User
from hive_portal.celery import app

pytestmark = [pytest.mark.real, pytest.mark.django_db]

DAY = timedelta(days=1)


@pytest.fixture
def keeper(db: None) -> User:
    """Owns Bees, and is in no team."""
    return User.objects.create_user(username="bea", email="bea@example.org")


@pytest.fixture
def node(make_node: Callable[..., Node], keeper: User, bee_key: LocalAccount) -> Node:
    return make_node(bee_key, owner=keeper)


def kinds(node: Node) -> list[str]:
    return list(ReputationFact.objects.filter(node=node).order_by("pk").values_list("kind", flat=True))


def reputation(node: Node) -> NodeReputation:
    reckon_due()
    return NodeReputation.objects.get(node=node)


def asked(team: Team) -> Demand:
    """Lies with a Bee."""
    return Demand.objects.create(
        team=team,
        reference=str(uuid.uuid4()),
        runtimes=["process"],
        image="hive/hello:1",
        cpu_threads=Decimal("0.5"),
        mem_gib=Decimal("0.25"),
        state=DemandState.NEGOTIATING,
        deadline_at=timezone.now() + DAY,
    )


def unsigned(make: Callable[..., Agreement], offer: Offer, key: LocalAccount, team: Team) -> Agreement:
    """Put before the Bee a minute ago, with its time over by now."""
    now = timezone.now()
    agreement = make(
        offer,
        key,
        demand=asked(team),
        state=AgreementState.PROPOSED,
        approved_at=None,
        deadline_at=now - timedelta(seconds=1),
    )
    Agreement.objects.filter(pk=agreement.pk).update(created_at=now - timedelta(minutes=1))
    agreement.refresh_from_db()
    return agreement


# -- facts stay -------------------------------------------------------------------------------------------


def test_it_counts_the_same_fact_once(node: Node) -> None:
    for _ in range(3):
        note(node.pk, FactKind.SLOWED, reference="slowed:today")
    assert kinds(node) == [FactKind.SLOWED]


@pytest.mark.parametrize(
    "change", [{"merit": 1.0}, {"weight": 0.1}, {"kind": "kept"}, {"at": datetime(2020, 1, 1, tzinfo=UTC)}]
)
def test_the_database_lets_nobody_change_a_fact(node: Node, change: dict[str, object]) -> None:
    note(node.pk, FactKind.SLOWED, reference="slowed:today")
    with pytest.raises(IntegrityError, match="written once"), transaction.atomic():
        ReputationFact.objects.update(**change)


def test_the_database_lets_nobody_delete_a_fact(node: Node) -> None:
    note(node.pk, FactKind.SLOWED, reference="slowed:today")
    with pytest.raises(IntegrityError, match="what happened"), transaction.atomic():
        ReputationFact.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        ReputationFact(node=node, kind="kept", at=timezone.now(), weight=7, merit=1, reference="x").save()


# -- agreements -------------------------------------------------------------------------------------------


def test_an_agreement_is_lost_when_its_node_is_gone(agreement: Agreement, node: Node) -> None:
    node.move_to(NodeState.UNKNOWN, actor=MARKET, reason="silent", deadline_at=timezone.now())
    node.move_to(NodeState.OFFLINE, actor=MARKET, reason="silent")
    terminate(agreement, actor=MARKET, reason="its node is offline")
    assert kinds(node) == [FactKind.LOST]
    told = reputation(node)
    assert (told.kept, told.lost) == (0, 1)
    assert told.sentences[0] == "lost 1 of 1 agreement in the last 30 days: it fell silent"
    assert told.score < NEWCOMER.score


def test_a_team_that_ends_an_agreement_harms_nobody(agreement: Agreement, node: Node) -> None:
    terminate(agreement, actor=MARKET, reason="no longer wanted")
    assert kinds(node) == []


def test_an_agreement_is_lost_or_kept_and_only_one_of_both(agreement: Agreement, node: Node) -> None:
    note_loss(agreement, "it fell silent")
    note(node.pk, FactKind.KEPT, reference=f"end:{agreement.pk}", agreement=agreement)
    assert kinds(node) == [FactKind.LOST]


def test_dealings_with_the_owners_own_team_count_for_nothing(
    agreement: Agreement, node: Node, keeper: User, team: Team
) -> None:
    Member.objects.create(team=team, user=keeper, role=Role.VIEWER)
    note(node.pk, FactKind.KEPT, reference="end:1", agreement=agreement)
    told = reputation(node)
    assert (told.score, told.evidence, told.kept) == (NEWCOMER.score, 0, 0)
    assert "1 agreement with its owner's own team, not counted" in told.sentences


def test_a_forged_signature_counts_and_a_refusal_does_not(
    make_agreement: Callable[..., Agreement],
    make_offer: Callable[..., Offer],
    node: Node,
    bee_key: LocalAccount,
    team: Team,
) -> None:
    offer = make_offer(node)
    refused = unsigned(make_agreement, offer, bee_key, team)
    take_answers(
        node_id=node.pk,
        answers=[Answer(agreement_id=str(refused.pk), verdict=Verdict.REJECTED, reason="not this image")],
    )
    assert reputation(node).score == NEWCOMER.score
    forged = unsigned(make_agreement, offer, bee_key, team)
    take_answers(
        node_id=node.pk,
        answers=[Answer(agreement_id=str(forged.pk), verdict=Verdict.ACCEPTED, signature="0x" + "11" * 65)],
    )
    assert kinds(node) == [FactKind.REFUSED, FactKind.BAD_SIGNATURE]
    assert reputation(node).score < NEWCOMER.score


def test_silence_counts_once_a_day_while_the_node_is_there(
    make_agreement: Callable[..., Agreement],
    make_offer: Callable[..., Offer],
    node: Node,
    bee_key: LocalAccount,
    team: Team,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer, noon = make_offer(node), timezone.now().replace(hour=12)
    for hours, times in ((0, 1), (1, 1), (2, 1), (24, 2)):
        now = noon + timedelta(hours=hours)
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        Node.objects.filter(pk=node.pk).update(last_seen_at=now)
        unsigned(make_agreement, offer, bee_key, team)
        end_late_agreements()
        assert kinds(node) == [FactKind.UNANSWERED] * times


def test_a_node_that_is_not_heard_is_not_called_rude(
    make_agreement: Callable[..., Agreement],
    make_offer: Callable[..., Offer],
    node: Node,
    bee_key: LocalAccount,
    team: Team,
) -> None:
    unsigned(make_agreement, make_offer(node), bee_key, team)
    Node.objects.filter(pk=node.pk).update(last_seen_at=timezone.now() - timedelta(minutes=5))
    end_late_agreements()
    assert kinds(node) == []


def test_a_proposal_without_an_answer_counts_as_well(offer: Offer, node: Node, team: Team) -> None:
    now, demand = timezone.now(), asked(team)
    late = Proposal.objects.create(demand=demand, offer=offer, deadline_at=now - timedelta(seconds=1))
    Proposal.objects.filter(pk=late.pk).update(created_at=now - timedelta(minutes=1))
    expire_late_bids()
    assert kinds(node) == [FactKind.UNANSWERED]


# -- starts -----------------------------------------------------------------------------------------------


def test_a_failed_start_counts_once_the_same_came_up_elsewhere(
    agreement: Agreement, node: Node, make_node: Callable[..., Node]
) -> None:
    note(node.pk, FactKind.START_FAILED, reference="failed:1", agreement=agreement, subject="web")
    assert reputation(node).score == NEWCOMER.score
    note(make_node(owner=node.owner).pk, FactKind.STARTED, reference="started:1", subject="web")
    assert reputation(node).score == NEWCOMER.score, "its owner's other machine proves nothing"
    note(make_node().pk, FactKind.STARTED, reference="started:2", subject="web")
    told = reputation(node)
    assert told.score < NEWCOMER.score
    assert told.sentences[0] == "failed once to start what came up elsewhere"


def test_a_start_elsewhere_is_news_for_who_failed_at_it(node: Node, make_node: Callable[..., Node]) -> None:
    note(node.pk, FactKind.START_FAILED, reference="failed:1", subject="web")
    reckon_due()
    # Long enough ago that the node itself has no news any more.
    NodeReputation.objects.filter(node=node).update(computed_at=timezone.now() + timedelta(minutes=2))
    note(make_node().pk, FactKind.STARTED, reference="started:1", subject="web")
    assert reputation(node).score < NEWCOMER.score


# -- days -------------------------------------------------------------------------------------------------


@pytest.fixture
def day() -> datetime:
    """Yesterday (UTC), in which the Queen listened all day."""
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    Listener.objects.create(started_at=today - 9 * DAY, last_seen_at=today + 2 * DAY)
    return today - DAY


def session(node: Node, opened_at: datetime, length: timedelta) -> None:
    closed_at = opened_at + length
    NodeSession.objects.create(
        node=node, opened_at=opened_at, last_seen_at=closed_at, closed_at=closed_at, channel="c"
    )


def test_uptime_is_the_share_of_the_day_in_which_it_was_heard(node: Node, day: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(approved_at=day - DAY)
    session(node, day + timedelta(hours=3), timedelta(hours=18))
    for _ in range(2):
        gather_uptime(day)
    [fact] = ReputationFact.objects.filter(node=node)
    assert (fact.kind, fact.merit, fact.at) == (FactKind.UPTIME, 0.75, day + DAY)
    assert fact.detail == "there for 18 of 24 hours"
    assert reputation(node).sentences[0] == "was there 75 % of the time on 1 day"


def test_the_first_day_begins_with_the_approval(node: Node, day: datetime) -> None:
    noon = day + timedelta(hours=12)
    Node.objects.filter(pk=node.pk).update(approved_at=noon)
    session(node, noon, timedelta(days=1))
    gather_uptime(day)
    [fact] = ReputationFact.objects.filter(node=node)
    assert (fact.merit, fact.weight) == (1.0, 0.05)


def test_a_machine_that_stays_off_harms_nobody(node: Node, day: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(approved_at=day - DAY)
    session(node, day - timedelta(hours=5), timedelta(hours=1))
    gather_uptime(day)
    assert kinds(node) == []


def test_the_queens_own_absence_is_nobodys(node: Node, day: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(approved_at=day - DAY)
    Listener.objects.all().delete()
    session(node, day, timedelta(hours=1))
    gather_uptime(day)
    assert ReputationFact.objects.get(node=node).merit == 1.0


def test_an_agreement_in_force_all_day_was_kept_for_that_day(
    make_agreement: Callable[..., Agreement], offer: Offer, bee_key: LocalAccount, node: Node, day: datetime
) -> None:
    make_agreement(offer, bee_key, approved_at=day - DAY)
    make_agreement(offer, bee_key, approved_at=day + timedelta(hours=1))
    for _ in range(2):
        gather_service(day)
    assert kinds(node) == [FactKind.SERVED]
    assert reputation(node).sentences[0] == "kept the one agreement of the last 30 days"


def test_it_makes_up_for_days_in_which_nobody_gathered(node: Node, day: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(approved_at=day - 9 * DAY)
    session(node, day - 8 * DAY, 9 * DAY)
    gather()
    gather()
    assert kinds(node) == [FactKind.UPTIME] * 7


def test_a_day_of_many_agreements_is_noted_in_a_few_statements(
    make_agreement: Callable[..., Agreement],
    make_offer: Callable[..., Offer],
    make_node: Callable[..., Node],
    bee_key: LocalAccount,
    day: datetime,
    keeper: User,
    stranger: User,
    team: Team,
) -> None:
    others, own = make_node(owner=stranger), make_node(owner=keeper)
    Member.objects.create(team=team, user=keeper, role=Role.VIEWER)
    for offer in [make_offer(others), make_offer(own)]:
        for _ in range(3):
            make_agreement(offer, bee_key, approved_at=day - DAY)
    with CaptureQueriesContext(connection) as queries:
        gather_service(day)
    assert len(queries) <= 4, "what was in force, and one statement with its savepoint"
    told = ReputationFact.objects.order_by("pk").values_list("node", "weight", "at")
    assert sorted(told) == sorted([(others.pk, 0.25, day + DAY)] * 3 + [(own.pk, 0.0, day + DAY)] * 3)


def measured(node: Node, days_ago: float, cpu_single: float) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    node.benchmark = NodeBenchmark.objects.create(node=node, at=at, cpu_single=cpu_single, mem_gib_s=9.0)
    node.save(update_fields=["benchmark"])


def test_it_notes_a_machine_that_became_slower(node: Node) -> None:
    for days_ago, speed in ((4, 20.0), (3, 22.0), (2, 21.0), (0.1, 13.86)):
        measured(node, days_ago, speed)
    for _ in range(2):
        gather_drift(now=timezone.now())
    assert kinds(node) == [FactKind.SLOWED]
    assert reputation(node).sentences[0] == "became slower: one thread 34 % below its usual 21"


def test_a_fifth_more_or_less_and_too_few_to_compare_are_no_drift(
    node: Node, make_node: Callable[..., Node]
) -> None:
    for days_ago, speed in ((4, 20.0), (3, 20.0), (2, 20.0), (0.1, 16.1)):
        measured(node, days_ago, speed)
    young = make_node()
    for days_ago, speed in ((3, 20.0), (2, 20.0), (0.1, 1.0)):
        measured(young, days_ago, speed)
    gather_drift(now=timezone.now())
    assert not ReputationFact.objects.exists()


def test_many_machines_are_compared_in_a_few_queries(make_node: Callable[..., Node]) -> None:
    nodes = [make_node() for _ in range(4)]
    for each in nodes:
        for days_ago, speed in ((20, 1000.0), *((days, 20.0) for days in range(2, 12)), (0.1, 10.0)):
            measured(each, days_ago, speed)
    with CaptureQueriesContext(connection) as queries:
        gather_drift(now=timezone.now())
    assert len(queries) <= 5
    told = {each.node_id: each.detail for each in ReputationFact.objects.all()}
    assert told == {each.pk: "one thread 50 % below its usual 20" for each in nodes}


# -- the row ----------------------------------------------------------------------------------------------


def test_a_node_without_facts_has_a_row_too(node: Node) -> None:
    told = reputation(node)
    assert (told.score, told.is_newcomer, told.uptime) == (NEWCOMER.score, True, None)


def test_it_computes_only_what_has_news_or_is_a_day_old(node: Node, make_node: Callable[..., Node]) -> None:
    other = make_node()
    assert reckon_due() == 2
    assert reckon_due() == 0
    note(node.pk, FactKind.SLOWED, reference="slowed:1")
    assert reckon_due() == 1
    NodeReputation.objects.filter(node=other).update(computed_at=timezone.now() - timedelta(hours=25))
    assert reckon_due() >= 1
    assert NodeReputation.objects.get(node=other).computed_at > timezone.now() - timedelta(hours=1)


def test_who_has_news_all_the_time_keeps_nobody_waiting(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reckoning, "IN_ONE_RUN", 2)
    nodes = sorted((make_node() for _ in range(4)), key=lambda each: each.pk)
    long_ago = timezone.now() - timedelta(minutes=5)
    reckon([each.pk for each in nodes], now=long_ago)
    for each in nodes:
        note(each.pk, FactKind.SLOWED, reference=f"slowed:{each.pk}")
    for run in range(2):
        for each in nodes[:2]:
            note(each.pk, FactKind.REFUSED, reference=f"refused:{run}:{each.pk}")
        assert reckon_due() == 2
    assert not NodeReputation.objects.filter(computed_at=long_ago).exists()
    make_node()
    reckon_due()
    assert not Node.objects.filter(reputation=None).exists(), "who has no row comes first"


def test_who_it_concerns_is_reckoned_in_the_same_run(
    node: Node, make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reckoning, "IN_ONE_RUN", 1)
    note(node.pk, FactKind.START_FAILED, reference="failed:1", subject="web")
    reckon([node.pk], now=timezone.now() + timedelta(minutes=2))
    note(make_node().pk, FactKind.STARTED, reference="started:1", subject="web")
    assert reputation(node).score < NEWCOMER.score


def test_a_new_key_takes_the_owners_record_along(
    node: Node, keeper: User, make_node: Callable[..., Node]
) -> None:
    for number in range(8):
        note(node.pk, FactKind.MISREPORTED, reference=f"misreported:{number}")
    before = reputation(node)
    again = reputation(make_node(owner=keeper))
    assert again.score <= before.score + 1e-6
    assert "earlier machines of its owner did badly, and their record goes with it" in again.sentences
    reckon([node.pk], now=timezone.now())
    assert NodeReputation.objects.get(node=node).score <= before.score + 1e-3, (
        "the older one takes nothing over"
    )


def test_hundreds_are_reckoned_in_a_few_queries(make_node: Callable[..., Node]) -> None:
    nodes = [make_node() for _ in range(30)]
    for number, node in enumerate(nodes):
        note(node.pk, FactKind.START_FAILED, reference=f"failed:{number}", subject="web")
    with CaptureQueriesContext(connection) as few:
        reckon([node.pk for node in nodes[:3]], now=timezone.now())
    with CaptureQueriesContext(connection) as many:
        reckon([node.pk for node in nodes], now=timezone.now())
    assert len(many) == len(few) <= 6


def test_its_owners_team_may_be_anybodys(stranger: User, agreement: Agreement, node: Node) -> None:
    """The one of another team counts: only the agreement's own team is asked."""
    Node.objects.filter(pk=node.pk).update(owner=stranger)
    note(node.pk, FactKind.KEPT, reference="end:1", agreement=agreement)
    assert ReputationFact.objects.get().weight == 1.0


def test_it_has_a_task_for_each_entry_of_the_schedule() -> None:
    app.loader.import_default_modules()
    planned = {name for name in settings.CELERY_BEAT_SCHEDULE if name.startswith("market.")}
    assert {"market.gather_facts", "market.reckon_reputations"} <= planned <= set(current_app.tasks)
