"""However long the Queen is away, and whatever the Bees report then: no cap is passed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.billing.budgets.capping import change_cap
from apps.billing.ledger.posting import check_ledger
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Budget, BudgetCap, CapPeriod, UsageRecord
from apps.deployments.assignments import wanted_assignments
from apps.deployments.leases import renew_leases
from apps.deployments.models import Assignment, Deployment
from apps.nodes.models import NodeSession
from tests.billing.conftest import MINUTE_MS, Meter, ms
from tests.deployments.conftest import TESTER, Hive, active
from tests.deployments.test_it_renews_leases import LEASE, pass_time

AWAY = timedelta(hours=2)
INTERVAL = timedelta(milliseconds=MINUTE_MS)


@pytest.fixture
def away(running: Deployment, hive: Hive) -> list[Assignment]:
    """It may take what it holds, to the digit; then the Queen is away for two hours, and nothing is renewed.

    The Bees run on for all that they say, and were heard for all of it: their worst is that of their leases.
    """
    cap = BudgetCap.objects.get(pk=running.cap_id)
    change_cap(cap, limit_glm=cap.counted_glm, per=CapPeriod.IN_ALL, at_end="", actor=TESTER)
    pass_time(running, AWAY)
    NodeSession.objects.update(opened_at=timezone.now() - AWAY * 2, last_seen_at=timezone.now())
    found = active(running)
    for one in found:
        meter = Meter(str(one.agreement_id), hive.bees[one.node_id].key, ms(one.agreement.approved_at))  # type: ignore[arg-type]
        minutes = int(AWAY / timedelta(minutes=1)) - 1
        cpu_ms = int(MINUTE_MS * one.agreement.cpu_threads)
        reports = [meter.report(cpu_ms=cpu_ms) for _ in range(minutes)]
        store_usage(node_id=one.node_id, reports=reports)
    while rate_usage():
        pass
    return found


def test_it_is_not_passed_with_the_queen_down(
    away: list[Assignment], running: Deployment, budget: Budget
) -> None:
    cap = BudgetCap.objects.get(pk=running.cap_id)
    assert cap.limit_glm is not None
    spent = sum(UsageRecord.objects.values_list("cost_glm", flat=True), Decimal(0))
    assert Decimal(0) < spent == budget.spent_glm <= cap.limit_glm
    assert cap.counted_glm <= cap.limit_glm
    assert check_ledger() == []


def test_nobody_is_paid_for_more_than_the_lease_and_no_bee_is_told_to_run_on(
    away: list[Assignment], running: Deployment
) -> None:
    for one in away:
        billed_ms = sum(
            UsageRecord.objects.filter(agreement=one.agreement_id).values_list("billed_running_ms", flat=True)
        )
        assert 0 < billed_ms <= (LEASE + INTERVAL) / timedelta(milliseconds=1)
        assert wanted_assignments([one.node_id])[one.node_id] == []
    assert renew_leases() == 0
