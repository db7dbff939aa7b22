"""What a deployment may take of its budget, and what becomes of it at the end, over the API."""

from __future__ import annotations

from typing import Any

import pytest

from apps.billing.models import Budget
from apps.deployments.models import Deployment
from apps.teams.models import AuditLine, User
from tests.api.conftest import As

URL = "/api/v1/deployments/hello/budget/"


def test_a_cap_is_shown_set_changed_and_taken_away(deployment: Deployment, teammate: User, as_: As) -> None:
    client = as_(teammate)
    cap = client.get("/api/v1/deployments/hello/").json()["cap"]
    assert (cap["limit_glm"], cap["used_glm"], cap["left_glm"], cap["state"]) == (None, "0", None, "funded")
    assert (cap["at_end"], cap["at_end_is_its_own"]) == ("ask", False)
    cap = client.patch(URL, {"limit_glm": "50", "at_end": "stop"}, format="json").json()["cap"]
    assert (cap["limit_glm"], cap["per"], cap["left_glm"], cap["at_end"]) == ("50", "in all", "50", "stop")
    cap = client.patch(URL, {"per": "month"}, format="json").json()["cap"]
    assert (cap["limit_glm"], cap["per"], cap["at_end"]) == ("50", "month", "stop")
    cap = client.patch(URL, {"limit_glm": None, "at_end": ""}, format="json").json()["cap"]
    assert (cap["limit_glm"], cap["at_end"], cap["at_end_is_its_own"]) == (None, "ask", False)
    changed = AuditLine.objects.filter(noun="budgetcap", after="changed", actor=f"user:{teammate}")
    assert changed.count() == 3


@pytest.mark.parametrize(
    "said",
    [
        {"limit_glm": "-1"},
        {"limit_glm": "NaN"},
        {"limit_glm": "0"},
        {"limit_glm": "0.0000000000000000001"},
        {"limit_glm": "1" * 19},
        {"limit_glm": "many"},
        {"limit_glm": ["5"]},
        {"limit_glm": ""},
        {"limit_glm": "  "},
        {"per": "week"},
        {"at_end": "explode"},
        {"limit": "5"},
    ],
    ids=str,
)
def test_what_is_no_cap_is_refused(
    deployment: Deployment, owner: User, as_: As, said: dict[str, Any]
) -> None:
    refused = as_(owner).patch(URL, said, format="json")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]


def test_an_owner_chooses_what_becomes_of_what_runs_at_the_end(
    main_budget: Budget, owner: User, teammate: User, as_: As
) -> None:
    url = f"/api/v1/budgets/{main_budget.pk}/"
    assert as_(teammate).patch(url, {"at_end": "stop"}, format="json").status_code == 403
    client = as_(owner)
    assert client.patch(url, {"at_end": "scale-down"}, format="json").json()["at_end"] == "scale-down"
    assert client.patch(url, {"at_end": "never"}, format="json").status_code == 400
    assert client.patch(url, {}, format="json").status_code == 400
    shown = client.get(url).json()
    assert (shown["at_end"], shown["credit_limit_glm"], shown["owed_glm"]) == ("scale-down", "0", "0")
    line = AuditLine.objects.get(noun="budget")
    assert (line.before, line.after, line.team_id) == ("ask", "scale-down", main_budget.team_id)
