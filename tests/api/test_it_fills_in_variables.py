"""`variables` of a new plan: what `${NAME}` in the file stands for, and errors that name the variable."""

from typing import Any

import pytest

from apps.deployments.models import Plan
from apps.teams.models import User
from tests.api.conftest import As

pytestmark = pytest.mark.django_db

SOURCE = "name: hello\nservices:\n  web:\n    image: hive/hello:${TAG}\n"


def asked(as_: As, owner: User, **variables: Any) -> tuple[int, Any]:
    response = as_(owner).post("/api/v1/plans/", {"source": SOURCE, "variables": variables}, format="json")
    return response.status_code, response.json()


def test_it_fills_them_in(as_: As, owner: User) -> None:
    status, _ = asked(as_, owner, TAG="1.2", UNUSED="")
    assert status == 201
    plan = Plan.objects.get()
    assert plan.manifest["services"]["web"]["image"] == "hive/hello:1.2"
    assert plan.source == SOURCE


def test_it_names_one_without_a_value(as_: As, owner: User) -> None:
    status, said = asked(as_, owner)
    assert (status, said["error"]["code"]) == (400, "manifest")
    assert said["error"]["message"] == (
        "services.web.image: the variable TAG has no value; "
        "give one with --env TAG=value or ${TAG:-value} (compose.yaml, line 4)"
    )


def test_it_names_one_that_can_not_be(as_: As, owner: User) -> None:
    status, said = asked(as_, owner, **{"1A": "x"})
    assert (status, said["error"]["place"]) == (400, "variables.1A")
    status, said = asked(as_, owner, A=["x"])
    assert (status, said["error"]["place"]) == (400, "variables.A")
