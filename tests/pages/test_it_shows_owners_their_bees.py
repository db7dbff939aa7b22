"""Owners see what runs on their Bees, what they earned, and why not more; nobody else does."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.billing.providers.earnings import earnings_of
from apps.deployments.models import Assignment, Service
from apps.deployments.spread import group_of
from apps.market.models import Agreement, AgreementState, Demand, DemandState, Proposal
from apps.market.negotiating.agreements import MARKET, refuse, terminate
from apps.nodes.models import Listener, Node, NodeSession, OfferState
from apps.teams.audit import Actor
from apps.teams.models import Team, User
from hive_client import nouns
from hive_client.reading import read
from hive_portal.owners.sheets import sheets_of
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery

REFUSAL = "the owner's rules want image hive/hello:1 signed, and no signature came with it"


def _page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def bee(scenery: Scenery) -> Any:
    """The one that earned something: attic."""
    return scenery.nodes[0]


@pytest.fixture
def agreement(scenery: Scenery) -> Agreement:
    """Of attic, with the bakery."""
    return scenery.agreement


def test_it_lists_their_own_alone(scenery: Scenery, as_owner: Client, as_operator: Client) -> None:
    page = _page(as_owner, "/bees/")
    assert all(node.name in page for node in scenery.nodes)
    assert "attic" not in _page(as_operator, "/bees/")


def test_it_tells_who_has_none_how_to_begin(as_stranger: Client) -> None:
    page = _page(as_stranger, "/bees/")
    assert "No machine of yours has joined yet" in page
    assert "/nodes/#join" in page


def test_it_tells_what_runs_and_what_it_earned(bee: Any, as_owner: Client) -> None:
    page = _page(as_owner, f"/bees/{bee.pk}/")
    assert "hive/hello:1" in page
    earned = earnings_of([bee.pk])[bee.pk]
    assert earned.total_glm == Decimal("0.0004752")
    assert page.count('value="0.0004752"') == 5, "today, in 30 days, in all, paid, and of its agreement"
    assert "0.00576" in page, "per hour"


def test_it_keeps_what_the_team_put_in_to_the_team(bee: Any, as_owner: Client) -> None:
    """The owner of the machine is told neither the environment nor what the team calls its replicas."""
    [assignment] = Assignment.objects.filter(node=bee)
    replica = assignment.replica
    replica.spec |= {"env": {"PASSWORD": "honeypot"}}
    replica.save(update_fields=["spec"])
    page = _page(as_owner, f"/bees/{bee.pk}/")
    assert "honeypot" not in page
    assert replica.name not in page


def test_it_says_why_not_more(bee: Any, as_owner: Client) -> None:
    page = _page(as_owner, f"/bees/{bee.pk}/")
    assert "1 proposal rejected: below my price" in page
    assert "hive agent quote" in page
    assert "objected to once, gap: 5 came before 4" in page


def test_it_says_that_nothing_is_offered(bee: Any, as_owner: Client) -> None:
    bee.offers.get().move_to(OfferState.WITHDRAWN, actor=Actor.node(bee.pk), reason="left out")
    assert "It is online and offers nothing" in _page(as_owner, f"/bees/{bee.pk}/")


def test_it_counts_the_hours_in_which_it_was_not_heard(bee: Any, scenery: Scenery) -> None:
    now = timezone.now()
    Node.objects.filter(pk=bee.pk).update(created_at=now - timedelta(hours=10))
    Listener.objects.create(started_at=now - timedelta(days=2), last_seen_at=now)
    assert NodeSession.objects.get(node=bee).opened_at < now - timedelta(hours=1)
    bee.refresh_from_db()
    [sheet] = sheets_of([bee])
    assert sheet.facts.offline_h == pytest.approx(8, abs=0.1)
    assert any("could not be heard for 8.0 h" in reason.text for reason in sheet.reasons)


def test_it_counts_how_much_was_rented(bee: Any) -> None:
    """Half a thread of four for one hour, of the ten since it joined."""
    Node.objects.filter(pk=bee.pk).update(created_at=timezone.now() - timedelta(hours=10))
    bee.refresh_from_db()
    [sheet] = sheets_of([bee])
    assert sheet.facts.rented_percent == pytest.approx(100 * 0.5 / 40, abs=0.05)


def test_it_compares_with_the_median_of_the_others(scenery: Scenery) -> None:
    [sheet] = sheets_of([scenery.nodes[2]])
    [asked] = sheet.facts.asked
    assert asked.runtime == "docker"
    assert asked.price_glm == Decimal("0.0000022") * 3600
    assert asked.others_glm == Decimal("0.0000020") * 3600, "attic's alone: old-laptop is silent"


def test_it_asks_as_many_questions_for_six_as_for_one(
    scenery: Scenery, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_max_num_queries(20) as asked:
        sheets_of(scenery.nodes[:1])
    with django_assert_num_queries(len(asked)):
        assert len(sheets_of(scenery.nodes)) == 6


def test_it_tells_scripts_the_same(scenery: Scenery, bee: Any, as_owner: Client) -> None:
    """As the SDK reads it."""
    rows = [read(nouns.Bee, row) for row in as_owner.get("/api/v1/bees/").json()["results"]]
    assert {row.name for row in rows} == {node.name for node in scenery.nodes} | {"newcomer"}
    one = read(nouns.Bee, as_owner.get(f"/api/v1/bees/{bee.pk}/").json())
    assert (one.earned.total_glm, one.earned.today_glm) == (Decimal("0.0004752"), Decimal("0.0004752"))
    assert [(run.image, run.observed) for run in one.runs] == [("hive/hello:1", "healthy")]
    assert [row.note_state for row in one.agreements or []] == ["paid"]
    assert any("below my price" in reason.text for reason in one.why_not_more)


def test_it_is_a_404_to_others(bee: Any, agreement: Agreement, as_stranger: Client) -> None:
    assert as_stranger.get(f"/bees/{bee.pk}/").status_code == 404
    assert as_stranger.get(f"/agreements/{agreement.pk}/").status_code == 404


def test_an_operator_looks_at_any(bee: Any, agreement: Agreement, as_operator: Client) -> None:
    assert "Owned by olga" in _page(as_operator, f"/bees/{bee.pk}/")
    assert "hive/hello:1" in _page(as_operator, f"/agreements/{agreement.pk}/")


# -- the history of an agreement --------------------------------------------------------------------------


@pytest.fixture
def landlord(bee: Any, stranger: User) -> Client:
    """Owns the Bee, and is in another team than the one that rents it."""
    bee.owner = stranger
    bee.save(update_fields=["owner"])
    return signed_in(stranger)


@pytest.fixture
def refused(agreement: Agreement) -> Agreement:
    terminate(agreement, actor=Actor.node(agreement.node_id), reason=REFUSAL)
    return agreement


def test_it_tells_both_sides_why_an_agreement_ended(
    refused: Agreement, landlord: Client, as_owner: Client
) -> None:
    for client in (landlord, as_owner):
        page = _page(client, f"/agreements/{refused.pk}/")
        assert REFUSAL.replace("'", "&#x27;") in page
        assert "terminated" in page


def test_it_tells_the_team_alone_why_this_bee_was_chosen(
    agreement: Agreement, landlord: Client, as_owner: Client
) -> None:
    agreement.because = ["0x12345678… was 4 % cheaper but lost 2 of 9 agreements"]
    agreement.save(update_fields=["because"])
    path = f"/agreements/{agreement.pk}/"
    assert agreement.because[0] in _page(as_owner, path)
    assert agreement.because[0] not in _page(landlord, path)


def test_it_tells_both_sides_how_the_price_was_found(
    agreement: Agreement, landlord: Client, as_owner: Client
) -> None:
    before = agreement.created_at - timedelta(seconds=2)
    about = {"demand": agreement.demand, "offer": agreement.offer, "round": 1}
    bid = Proposal.objects.create(**about, state="countered", reason="bids 0.8 GLM/h to bee, round 1")
    asks = Proposal.objects.create(**about, issuer="bee", state="accepted", reason="asks 0.9 GLM/h")
    Proposal.objects.filter(pk__in=[bid.pk, asks.pk]).update(created_at=before)
    for client in (landlord, as_owner):
        page = _page(client, f"/agreements/{agreement.pk}/")
        assert page.index("bids 0.8 GLM/h") < page.index("asks 0.9 GLM/h")


def test_it_leads_the_team_to_its_agreements(
    scenery: Scenery, agreement: Agreement, as_owner: Client
) -> None:
    page = _page(as_owner, f"/deployments/{scenery.deployment.pk}/")
    assert f"/agreements/{agreement.pk}/" in page


def test_it_leads_both_to_an_agreement_that_was_never_signed(
    scenery: Scenery, agreement: Agreement, bee: Any, landlord: Client, as_owner: Client
) -> None:
    waits = _unsigned_beside(agreement)
    refuse(waits, AgreementState.REJECTED, actor=Actor.node(bee.pk), reason=REFUSAL)
    for client, path in (
        (landlord, f"/bees/{bee.pk}/"),
        (as_owner, f"/deployments/{scenery.deployment.pk}/"),
    ):
        page = _page(client, path)
        assert f"/agreements/{waits.pk}/" in page
        assert REFUSAL.replace("'", "&#x27;") in page


def _unsigned_beside(agreement: Agreement) -> Agreement:
    """Another one beside it, for the replica that still looks for a node: it lies with the Bee."""
    demand = Demand.objects.get(state=DemandState.OPEN)
    demand.move_to(DemandState.NEGOTIATING, actor=MARKET, reason="waits", deadline_at=demand.deadline_at)
    Demand.objects.filter(pk=demand.pk).update(spread_group=group_of(Service.objects.get(name="worker").pk))
    agreement = Agreement.objects.get(pk=agreement.pk)
    agreement.pk, agreement.demand, agreement._state.adding = uuid.uuid4(), demand, True
    agreement.state, agreement.approved_at, agreement.provider_signature = AgreementState.PROPOSED, None, ""
    agreement.save()
    return agreement


def test_it_tells_the_owner_nothing_of_the_deployment(
    scenery: Scenery, agreement: Agreement, landlord: Client, as_owner: Client
) -> None:
    [assignment] = Assignment.objects.filter(agreement=agreement)
    assignment.move_to(
        "released",
        actor=Actor.queen("test"),
        reason="web is rolled out anew",
        deadline_at=timezone.now() + timedelta(minutes=1),
    )
    assert "web is rolled out anew" in _page(as_owner, f"/agreements/{agreement.pk}/")
    page = _page(landlord, f"/agreements/{agreement.pk}/")
    assert "web is rolled out anew" not in page
    assert str(scenery.deployment.pk) not in page


def test_it_leads_the_owner_to_what_came_to_nothing(refused: Agreement, bee: Any, landlord: Client) -> None:
    page = _page(landlord, f"/bees/{bee.pk}/")
    assert f"/agreements/{refused.pk}/" in page
    assert REFUSAL.replace("'", "&#x27;") in page


def test_it_turns_pages(team: Team, owner: User, make_node: Any) -> None:
    for number in range(26):
        make_node(name=f"bee-{number:02}")
    client = signed_in(owner)
    assert "bee-25" not in _page(client, "/bees/")
    assert "bee-25" in _page(client, "/bees/?page=2")
