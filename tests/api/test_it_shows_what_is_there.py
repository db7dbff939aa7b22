"""Deployments, nodes, money: what a team reads, in the words of the SDK."""

from collections.abc import Callable
from decimal import Decimal

from django.contrib.auth.models import Permission

from apps.billing.models import Budget, Invoice, UsageRecord
from apps.deployments.models import Deployment
from apps.market.models import Agreement
from apps.nodes.models import Enrolment, Node, NodeState, Offer
from apps.teams.models import Member, Role, Team, User
from apps.teams.rest import Glm
from tests.api.conftest import As
from tests.cast import posted_usage


def test_it_writes_money_exactly() -> None:
    write = Glm().to_representation
    assert write(Decimal("0.010000000000000000")) == "0.01"
    assert (
        write(Decimal("12345678901234567890.123456789012345678")) == "12345678901234567890.123456789012345678"
    )
    assert write(Decimal("100")) == "100"
    assert write(Decimal("0E-18")) == "0"


def test_it_finds_a_deployment_by_name_and_id(deployment: Deployment, owner: User, as_: As) -> None:
    client = as_(owner)
    by_name = client.get("/api/v1/deployments/hello/").json()
    assert by_name == client.get(f"/api/v1/deployments/{deployment.pk}/").json()
    assert by_name["reason"] == "web-1: needs a hold"
    assert by_name["services"][0] | {"host": "", "url": ""} == {
        "name": "web",
        "image": "hive/hello:1",
        "replicas_wanted": 2,
        "replicas_healthy": 0,
        "replicas_failed": 0,
        "replicas_taken": 0,
        "taken_at": None,
        "taken_by": "",
        "host": "",
        "url": "",
    }
    assert client.get("/api/v1/deployments/").json()["results"] == [by_name]


def test_it_asks_which_of_two_is_meant(
    deployment: Deployment, owner: User, other_team: Team, main_budget: Budget
) -> None:
    """Signed in as a user of two teams that have a deployment of one name; no token narrows it."""
    from rest_framework.test import APIClient

    Member.objects.create(team=other_team, user=owner, role=Role.OWNER)
    Deployment.objects.create(
        team=other_team, budget=main_budget, name="hello", manifest={}, source="", created_by=owner
    )
    client = APIClient()
    client.force_login(owner)
    assert client.get("/api/v1/deployments/hello/").status_code == 400
    assert client.get("/api/v1/deployments/hello/", {"team": "bakery"}).json()["team"] == "bakery"


def test_it_shows_what_a_replica_waits_for(deployment: Deployment, owner: User, as_: As) -> None:
    replicas = as_(owner).get("/api/v1/deployments/hello/replicas/").json()
    assert [(each["name"], each["state"], each["reason"]) for each in replicas] == [
        ("web-1", "pending", "needs a hold"),
        ("web-2", "pending", "needs a hold"),
    ]
    assert all(each["deadline_at"] and each["node_id"] is None for each in replicas)


def test_it_stops_and_starts(deployment: Deployment, teammate: User, as_: As) -> None:
    client = as_(teammate)
    assert client.post("/api/v1/deployments/hello/stop/", {"reason": "moving"}).json()["wanted"] == "stopped"
    assert client.post("/api/v1/deployments/hello/start/").json()["wanted"] == "running"
    events = client.get("/api/v1/deployments/hello/events/").json()["results"]
    assert ("user:tim", "moving") in [(event["actor"], event["reason"]) for event in events]


def test_it_scales(deployment: Deployment, teammate: User, as_: As) -> None:
    body = {"replicas": {"web": 5}}
    answer = as_(teammate).post("/api/v1/deployments/hello/scale/", body, format="json").json()
    assert answer["services"][0]["replicas_wanted"] == 5


def test_it_scales_all_or_nothing(deployment: Deployment, teammate: User, as_: As) -> None:
    body = {"replicas": {"web": 5, "nope": 1}}
    assert as_(teammate).post("/api/v1/deployments/hello/scale/", body, format="json").status_code == 400
    assert deployment.services.get().replicas_wanted == 2


def test_it_keeps_the_owners_facts_of_a_node_private(
    offer: Offer, owner: User, stranger: User, as_: As
) -> None:
    url = f"/api/v1/nodes/{offer.node_id}/"
    seen, own = as_(stranger).get(url).json(), as_(owner).get(url).json()
    assert (seen["mine"], seen["private"]) == (False, None)
    assert (own["mine"], own["private"]["owner"]) == (True, "olga")
    assert seen["offers"][0]["runtime"] == "process"


def test_it_hides_nodes_that_take_no_work(
    make_node: Callable[..., Node], node: Node, owner: User, stranger: User, as_: As
) -> None:
    banned = make_node(state=NodeState.BANNED, deadline_at=None)
    assert [row["id"] for row in as_(stranger).get("/api/v1/nodes/").json()["results"]] == [node.pk]
    assert banned.pk in [row["id"] for row in as_(owner).get("/api/v1/nodes/").json()["results"]]


def test_it_makes_an_enrolment(owner: User, as_: As) -> None:
    made = as_(owner).post("/api/v1/enrolments/", {"valid_hours": 1}, format="json").json()
    assert made["token"].startswith(Enrolment.PREFIX)
    assert Enrolment.objects.get(pk=made["id"]).owner == owner


def test_it_lets_operators_alone_approve_by_enrolment(owner: User, as_: As) -> None:
    client = as_(owner)
    assert client.post("/api/v1/enrolments/", {"approves": True}, format="json").status_code == 403
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    assert client.post("/api/v1/enrolments/", {"approves": True}, format="json").status_code == 403
    owner.user_permissions.add(Permission.objects.get(codename="change_node"))
    client = as_(User.objects.get(pk=owner.pk))
    assert client.post("/api/v1/enrolments/", {"approves": True}, format="json").json()["approves"] is True


def test_it_shows_the_budget(main_budget: Budget, owner: User, as_: As) -> None:
    shown = as_(owner).get(f"/api/v1/budgets/{main_budget.pk}/").json()
    assert [shown["available_glm"], shown["held_glm"], shown["spent_glm"]] == ["0", "0", "0"]
    assert shown["wallets"] == []
    assert shown["deposit"]["recipient"].startswith("0x")


def test_it_shows_usage_of_one_agreement(usage: UsageRecord, owner: User, as_: As) -> None:
    client = as_(owner)
    url = "/api/v1/usage/"
    assert [
        row["sequence"] for row in client.get(url, {"agreement": usage.agreement_id}).json()["results"]
    ] == [1]
    assert client.get(url, {"agreement": "nonsense"}).status_code == 400


def test_it_finds_an_invoice_by_number(invoice: Invoice, owner: User, as_: As) -> None:
    shown = as_(owner).get(f"/api/v1/invoices/{invoice.number}/").json()
    assert (shown["id"], shown["total_glm"]) == (str(invoice.pk), "0.1")


def test_it_draws_up_an_invoice_now(agreement: Agreement, owner: User, as_: As) -> None:
    posted_usage(agreement)
    made = as_(owner).post("/api/v1/invoices/")
    assert made.status_code == 201
    assert made.json()["total_glm"] == "0.1"


def test_it_draws_up_no_invoice_over_nothing(invoice: Invoice, owner: User, as_: As) -> None:
    answer = as_(owner).post("/api/v1/invoices/")
    assert answer.status_code == 409
    assert answer.json()["error"] == {
        "code": "nothing_to_invoice",
        "message": f"nothing was used since {invoice.number}",
    }
