"""`/plans/`: what would be placed where, what that does to the budget, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.billing.models import Budget
from apps.deployments.models import Deployment, Plan
from apps.deployments.planning import draw_up_plan
from apps.nodes.models import Offer
from apps.teams.models import Team, User
from tests.api.conftest import As

COMPOSE = """
name: hello
services:
  web:
    image: hive/hello:1
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 256M}}}
    x-hive: {runtime: [process]}
  giant:
    image: hive/hello:1
    deploy: {resources: {limits: {cpus: "64", memory: 256M}}}
    x-hive: {runtime: [process]}
"""

LONG = ("placements", "source", "manifest")


def test_it_says_where_at_which_price_and_why(offer: Offer, owner: User, budget: Budget, as_: As) -> None:
    response = as_(owner).post("/api/v1/plans/", {"source": COMPOSE}, format="json")
    assert response.status_code == 201
    plan = response.json()
    first, _, giant = plan["placements"]
    per_hour = offer.price_per_hour_glm(Decimal("0.5"))
    assert (first["replica"], first["node_name"], first["stays"]) == ("web-1", offer.node.name, False)
    assert Decimal(first["price_per_hour_glm"]) == per_hour
    assert Decimal(first["price_per_month_glm"]) == per_hour * 730
    assert first["because"]
    assert giant["reason"] == "no bee offers 64 CPU threads: the largest has 4"
    assert giant["nearest"].startswith("with 3 CPU threads instead of 64")  # one is taken then
    assert {risk["kind"] for risk in plan["risks"]} == {"one_node", "newcomer"}
    assert Decimal(plan["price_per_month_glm"]) == Decimal(plan["price_per_hour_glm"]) * 730


def test_it_says_what_it_does_to_the_budget(offer: Offer, owner: User, budget: Budget, as_: As) -> None:
    plan = as_(owner).post("/api/v1/plans/", {"source": COMPOSE}, format="json").json()
    effect = plan["effect"]
    assert (effect["available_glm"], effect["held_glm"], effect["rate_before_glm"]) == ("10", "0", "0")
    assert effect["rate_after_glm"] == plan["price_per_hour_glm"]
    assert plan["first_leases_glm"] == effect["first_leases_glm"]
    assert effect["lasts_until"] > effect["at"]
    assert Decimal(plan["runway_h"]) == Decimal(effect["runway_h"])


def test_it_has_nothing_to_set_beside_a_plan_that_was_not_applied(plan: Plan, owner: User, as_: As) -> None:
    response = as_(owner).get(f"/api/v1/plans/{plan.pk}/actual/")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "plan_not_applied")


def test_it_sets_an_applied_plan_beside_what_was_paid(
    offer: Offer, owner: User, deployment: Deployment, team: Team, budget: Budget, as_: As
) -> None:
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE)
    Plan.objects.filter(pk=plan.pk).update(deployment=deployment, applied_at=timezone.now())
    actual = as_(owner).get(f"/api/v1/plans/{plan.pk}/actual/").json()
    assert [row["replica"] for row in actual["replicas"]] == ["web-1", "web-2", "giant-1"]
    assert actual["replicas"][0]["planned_price_per_hour_glm"] == plan.placements[0]["price_per_hour_glm"]
    assert actual["replicas"][2]["planned_price_per_hour_glm"] is None
    assert (actual["paid_glm"], actual["until"], actual["replicas"][0]["agreements"]) == ("0", None, [])


def test_it_lists_many_plans_in_as_many_questions_as_one(
    plan: Plan, owner: User, team: Team, as_: As, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client = as_(owner)
    client.get("/api/v1/plans/")  # notes the token's use
    with django_assert_max_num_queries(50) as one:
        client.get("/api/v1/plans/")
    _copies(plan, 5)
    with django_assert_max_num_queries(len(one)):
        assert client.get("/api/v1/plans/").json()["count"] == 6


def test_it_lists_plans_without_what_it_says_of_each_replica(plan: Plan, owner: User, as_: As) -> None:
    nowhere = {"replica": "web-1", "node_id": None, "reason": "no bee offers 64 CPU threads " * 10}
    placed = nowhere | {"node_id": "0x" + "1" * 40}
    Plan.objects.filter(pk=plan.pk).update(placements=[nowhere] * 400 + [placed] * 600)
    client = as_(owner)
    client.get("/api/v1/plans/")  # notes the token's use
    with CaptureQueriesContext(connection) as asked:
        response = client.get("/api/v1/plans/")
    (row,) = response.json()["results"]
    assert (row["id"], row["replicas"], row["unplaced"]) == (str(plan.pk), 1000, 400)
    assert "placements" not in row and len(response.content) < 1000
    read = [name for each in asked for name in LONG if f', "deployments_plan"."{name}"' in each["sql"]]
    assert read == []


def _copies(plan: Plan, number: int) -> None:
    for _ in range(number):
        Plan.objects.create(
            team=plan.team,
            author=plan.author,
            name=plan.name,
            source="",
            manifest=plan.manifest,
            placements=[],
            price_per_hour_glm=0,
            expires_at=timezone.now() - timedelta(minutes=1),
        )


def test_it_says_whether_it_makes_or_changes_a_deployment(
    offer: Offer, owner: User, team: Team, budget: Budget, as_: As
) -> None:
    client = as_(owner)
    first = client.post("/api/v1/plans/", {"source": COMPOSE}, format="json").json()
    client.post(f"/api/v1/plans/{first['id']}/apply/")
    second = client.post("/api/v1/plans/", {"source": COMPOSE}, format="json").json()
    assert (first["changes"], second["changes"]) == (False, True)
    again = client.get(f"/api/v1/plans/{first['id']}/").json()
    assert (again["changes"], again["deployment"]) == (False, "hello")
    browser = Client()
    browser.force_login(owner)
    page = browser.get(reverse("deployments:plan", args=[second["id"]])).content.decode()
    assert "It changes what is deployed; nothing is changed yet." in page


def test_it_refuses_what_it_would_not_read(owner: User, team: Team, as_: As) -> None:
    refused = as_(owner).post("/api/v1/plans/", {"source": COMPOSE, "team": "nope"}, format="json")
    assert refused.status_code == 400
    words = 'unknown field "team": the address says which, with ?team='
    assert refused.json()["error"]["message"] == words
