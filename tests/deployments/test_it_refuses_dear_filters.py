"""A plan whose filters take the database too long is refused with words; nothing is drawn up."""

from __future__ import annotations

import pytest

from apps.deployments.manifest import ManifestError
from apps.deployments.models import Plan
from apps.deployments.planning import draw_up_plan
from apps.market import filters
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("hive")
def test_a_plan_tells_of_a_filter_that_takes_too_long(
    team: Team, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = COMPOSE + '\nx-hive:\n  constraints: "(golem.runtime.name=process)"\n'
    assert draw_up_plan(team=team, author=owner, source=source).unmet == []
    monkeypatch.setattr(filters, "ALL_S", 0.0)
    before = Plan.objects.count()

    with pytest.raises(ManifestError, match=r"x-hive\.constraints: at position 1: .* its turn comes later"):
        draw_up_plan(team=team, author=owner, source=source)

    assert Plan.objects.count() == before
