"""Every error has one shape, and says what was wrong and where."""

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from apps.deployments.models import Deployment, Plan
from apps.teams.models import User
from hive_portal.explaining import explain
from tests.api.conftest import As


def test_it_names_the_place_of_a_fault() -> None:
    """Pure: nested as a serializer nests them."""
    error = ValidationError({"replicas": {"web": ["too many"]}, "items": [{}, {"name": ["needed"]}]})
    response = explain(error, {})
    assert response.status_code == 400
    assert response.data["error"] == {
        "code": "invalid",
        "message": "replicas.web: too many\nitems[1].name: needed",
        "place": "replicas.web",
        "problems": [
            {"place": "replicas.web", "message": "replicas.web: too many"},
            {"place": "items[1].name", "message": "items[1].name: needed"},
        ],
    }


def test_it_tells_every_fault_of_a_compose_file(owner: User, as_: As) -> None:
    source = "name: hello\nservices:\n  web:\n    image: hive/hello:1\n    deploy:\n      replicas: two\n"
    response = as_(owner).post("/api/v1/plans/", {"source": source}, format="json")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "manifest")
    assert error["problems"][0]["place"] == "services.web.deploy.replicas"
    assert error["problems"][0]["line"] == 6
    assert 'got "two" (compose.yaml, line 6)' in error["problems"][0]["message"]


def test_it_refuses_a_plan_that_has_expired(plan: Plan, owner: User, as_: As) -> None:
    response = as_(owner).post(f"/api/v1/plans/{plan.pk}/apply/")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "plan_expired")


def test_it_names_services_that_do_not_exist(deployment: Deployment, owner: User, as_: As) -> None:
    body = {"replicas": {"wbe": 3}}
    response = as_(owner).post("/api/v1/deployments/hello/scale/", body, format="json")
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "replicas.wbe: no such service; there is web"


def test_it_names_the_limit_of_a_service(deployment: Deployment, owner: User, as_: As) -> None:
    body = {"replicas": {"web": 5000}}
    response = as_(owner).post("/api/v1/deployments/hello/scale/", body, format="json")
    expected = "replicas.web: expected a whole number of replicas from 0 to 1000"
    assert response.json()["error"]["message"] == expected


def test_it_names_an_empty_file(owner: User, as_: As) -> None:
    body = {"source": "", "file_name": "shop.yaml"}
    error = as_(owner).post("/api/v1/plans/", body, format="json").json()["error"]
    assert error["message"] == "the file is empty: name what should run under services (shop.yaml)"


@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("invoices/nope", "invoice"),
        ("nodes/nope", "node"),
        ("budgets/nope", "budget"),
        ("tokens/nope", "api token"),
    ],
)
def test_it_names_what_is_missing(owner: User, as_: As, path: str, noun: str) -> None:
    response = as_(owner).get(f"/api/v1/{path}/")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == f"no {noun} nope within reach of your team"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/v1/deploymints/", "there is nothing at /api/v1/deploymints/"),
        ("/api/v1/plans", "end with a slash"),
    ],
)
def test_it_answers_wrong_addresses_in_json(owner: User, as_: As, path: str, told: str) -> None:
    response = as_(owner).get(path)
    assert response.status_code == 404
    assert told in response.json()["error"]["message"]


def test_it_answers_broken_json(owner: User, as_: As) -> None:
    response = as_(owner).post("/api/v1/plans/", "{", content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "parse_error")


def test_it_answers_the_wrong_method(owner: User, as_: As) -> None:
    response = as_(owner).delete("/api/v1/plans/")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


def test_it_admits_a_fault_of_its_own(owner: User, as_: As, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a secret of the database")

    monkeypatch.setattr("apps.teams.api.reachable_teams", fail)
    client: APIClient = as_(owner)
    client.raise_request_exception = False
    response = client.get("/api/v1/me/")
    assert response.status_code == 500
    assert response.json() == {
        "error": {"code": "internal", "message": "the Hive failed on this; its log says why"}
    }
