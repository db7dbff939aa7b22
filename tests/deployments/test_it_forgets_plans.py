"""Plans that were never applied go after a month; applied ones stay, to be set beside what was paid."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from apps.deployments.applying import apply_plan
from apps.deployments.models import Plan
from apps.deployments.planning import draw_up_plan
from apps.deployments.tasks import forget_plans
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE, TESTER, Hive


def test_it_forgets_what_nobody_applied(hive: Hive, team: Team, owner: User) -> None:
    new, old, applied = (draw_up_plan(team=team, author=owner, source=COMPOSE) for _ in range(3))
    apply_plan(applied, actor=TESTER)
    before = timezone.now() - timedelta(days=31)
    Plan.objects.filter(pk__in=[old.pk, applied.pk]).update(created_at=before)
    assert "deployments.forget_plans" in settings.CELERY_BEAT_SCHEDULE
    forget_plans()
    assert set(Plan.objects.values_list("pk", flat=True)) == {new.pk, applied.pk}
