"""A deployment's page says what was let go for want of money, since when, and what brings it back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from apps.billing.models import BudgetCap
from tests.pages.scenery import Scenery

pytestmark = pytest.mark.django_db


def let_go(scenery: Scenery, *, needed_glm: Decimal) -> None:
    """As `ends.taking` does, and `ends.growing_back` notes what the next of them takes."""
    service = scenery.replica.service
    service.taken, service.taken_at, service.taken_by = 2, timezone.now(), "queen:budgets"
    service.save()
    BudgetCap.objects.filter(pk=scenery.deployment.cap_id).update(needed_glm=needed_glm)


def page_of(scenery: Scenery, client: Client) -> str:
    return client.get(f"/deployments/{scenery.deployment.pk}/").content.decode()


def test_it_says_what_is_gone_and_when_it_comes_back(scenery: Scenery, as_owner: Client) -> None:
    assert "Let go for want of money" not in page_of(scenery, as_owner)
    let_go(scenery, needed_glm=Decimal(10_000))
    page = page_of(scenery, as_owner)
    assert f": 2 replicas of {scenery.replica.service.name}." in page
    assert "Let go for want of money</strong>" in page
    assert "The next comes back by itself once budget bakery/main has 10000 GLM available." in page
    assert (">Pay in</a>" in page, ">Raise its cap</a>" in page) == (True, False)


def test_while_there_is_enough_it_says_what_else_may_keep_it_away(scenery: Scenery, as_owner: Client) -> None:
    let_go(scenery, needed_glm=Decimal("0.000001"))
    page = page_of(scenery, as_owner)
    assert "The next comes back in a moment, unless its team is suspended or its key may not spend" in page
    assert ">Pay in</a>" not in page


def test_what_is_stopped_waits_for_somebody(scenery: Scenery, as_owner: Client) -> None:
    let_go(scenery, needed_glm=Decimal(10_000))
    scenery.deployment.wanted = "stopped"
    scenery.deployment.save(update_fields=["wanted"])
    assert "Let go for want of money" not in page_of(scenery, as_owner)
