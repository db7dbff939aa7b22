"""From a pasted Compose file to a deployment, as somebody does it in a browser, mistakes included."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from apps.deployments.models import Deployment, Plan, ReplicaState
from apps.deployments.showing import timeline_of
from tests.pages.scenery import COMPOSE, Scenery


def paste(client: Client, scenery: Scenery, source: str, name: str = "shop") -> object:
    return client.post(f"/teams/{scenery.team.slug}/deployments/new/", {"source": source, "name": name})


SIMPLE = "services:\n  web:\n    image: hive/hello:1\n    deploy:\n      replicas: {}\n"


def test_it_shows_a_plan_and_applies_it(scenery: Scenery, as_owner: Client) -> None:
    answer = paste(as_owner, scenery, SIMPLE.format(2))
    plan = Plan.objects.get(name="shop")
    assert answer.headers["Location"] == f"/plans/{plan.pk}/"  # type: ignore[attr-defined]

    page = as_owner.get(f"/plans/{plan.pk}/").content.decode()
    assert "web-1" in page and "web-2" in page

    as_owner.post(f"/plans/{plan.pk}/apply/")
    assert Deployment.objects.get(name="shop").services.get().replicas_wanted == 2


def test_it_names_place_and_line_of_a_mistake(scenery: Scenery, as_owner: Client) -> None:
    answer = paste(as_owner, scenery, SIMPLE.format("two"))
    assert answer.status_code == 422  # type: ignore[attr-defined]
    page = answer.content.decode()  # type: ignore[attr-defined]
    assert "services.web.deploy.replicas, line 5" in page
    assert "expected a whole number" in page
    assert "image: hive/hello:1" in page, "what was typed is kept"


def test_it_does_not_apply_an_expired_plan(scenery: Scenery, as_owner: Client) -> None:
    paste(as_owner, scenery, SIMPLE.format(1))
    plan = Plan.objects.get(name="shop")
    Plan.objects.filter(pk=plan.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    page = as_owner.post(f"/plans/{plan.pk}/apply/", follow=True).content.decode()
    assert "Draw it up again" in page
    assert not Deployment.objects.filter(name="shop").exists()


def test_it_begins_a_change_with_the_file_as_it_is(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.get(f"/teams/{scenery.team.slug}/deployments/new/?from={scenery.deployment.pk}")
    assert COMPOSE.splitlines()[3].strip() in page.content.decode()


def test_it_scales_and_says_what_is_no_number(scenery: Scenery, as_owner: Client) -> None:
    path = f"/services/{scenery.service.pk}/scale/"
    as_owner.post(path, {"replicas": "4"})
    scenery.service.refresh_from_db()
    assert scenery.service.replicas_wanted == 4

    page = as_owner.post(path, {"replicas": "many"}, follow=True).content.decode()
    assert "replicas must be a whole number" in page


def test_it_shows_a_token_once(scenery: Scenery, as_owner: Client) -> None:
    path = f"/teams/{scenery.team.slug}"
    answer = as_owner.post(f"{path}/tokens/", {"name": "laptop", "valid_days": "30"})
    secret = scenery.team.tokens.get(name="laptop")
    text = answer.context["text"]
    assert text.startswith(secret.hint)
    assert text in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert text not in as_owner.get(f"{path}/settings/").content.decode()


def test_it_gives_the_one_line_with_which_a_machine_joins(scenery: Scenery, as_owner: Client) -> None:
    page = as_owner.post("/nodes/enrol/").content.decode()
    assert "hive agent join http://localhost:8000 bee_" in page


def test_it_says_what_cannot_be_placed_and_that_the_budget_is_too_small(
    scenery: Scenery, as_owner: Client
) -> None:
    path = f"/plans/{scenery.plan.pk}/"
    page = as_owner.get(path).content.decode()
    assert "1 of 4 replicas cannot be placed now." in page
    assert "Budget too small" not in page

    dear = [each | {"price_per_hour_glm": "1000"} for each in scenery.plan.placements if each["node_id"]]
    Plan.objects.filter(pk=scenery.plan.pk).update(placements=dear, name="another")
    page = as_owner.get(path).content.decode()
    assert "cannot be placed" not in page
    assert "Budget too small: the first lease needs" in page


def test_it_tells_reasons_risks_what_is_nearest_and_how_long_the_budget_lasts(
    scenery: Scenery, as_owner: Client
) -> None:
    page = as_owner.get(f"/plans/{scenery.plan.pk}/").content.decode()
    assert "was 4 % cheaper but lost 2 of 9 agreements" in page
    assert "nodes of one owner, who could turn them all off" in page
    assert "Nearest: with 8 CPU threads instead of 64" in page
    assert 'value="15.768"' in page  # a month of 730 hours
    assert "<dt>Budget lasts</dt><dd>48 d " in page


def test_it_sets_an_applied_plan_beside_what_was_paid(scenery: Scenery, as_owner: Client) -> None:
    applied_at = timezone.now() - timedelta(hours=2)
    plan = Plan.objects.get(pk=scenery.plan.pk)
    Plan.objects.filter(pk=plan.pk).update(applied_at=applied_at, deployment=scenery.deployment)
    page = as_owner.get(f"/plans/{plan.pk}/").content.decode()
    assert "What it said, and what was paid" in page
    assert 'value="0.0004752"' in page  # six reports of 0.0000792 GLM
    assert "Budget too small" not in page and "cannot be placed now" not in page
    deployment = as_owner.get(f"/deployments/{scenery.deployment.pk}/").content.decode()
    assert f'href="/plans/{plan.pk}/"' in deployment


def test_it_keeps_routine_out_of_the_timeline(scenery: Scenery, as_owner: Client) -> None:
    told = timeline_of(scenery.deployment)
    assert {line.noun for line in told} == {"replica"}


def test_it_gives_an_address_once_a_replica_is_healthy(scenery: Scenery, as_owner: Client) -> None:
    path = f"/deployments/{scenery.deployment.pk}/"
    assert f'href="{scenery.service.url}"' in as_owner.get(path).content.decode()
    scenery.service.replicas.update(state=ReplicaState.UNHEALTHY)
    assert f'href="{scenery.service.url}"' not in as_owner.get(path).content.decode()
