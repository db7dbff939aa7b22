"""From a Compose file to healthy replicas, with the money held before anything is placed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.billing.budgets.holding import place_hold
from apps.billing.models import Budget, Hold
from apps.deployments.applying import PlanExpired, PlanOvertaken, PlanRefused, apply_plan, start
from apps.deployments.manifest import ManifestError
from apps.deployments.models import Assignment, Deployment, Plan, Replica, Service
from apps.deployments.planning import draw_up_plan
from apps.deployments.status import DeploymentStatus, status_of
from apps.market.models import Agreement, AgreementState
from apps.teams.models import AuditLine, Team, User
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, replicas, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(hive: Hive, team: Team, owner: User) -> Plan:
    return draw_up_plan(team=team, author=owner, source=COMPOSE)


def test_it_plans_where_each_replica_would_go(plan: Plan, hive: Hive) -> None:
    assert [one["replica"] for one in plan.placements] == ["web-1", "web-2", "web-3"]
    assert {one["node_id"] for one in plan.placements} == set(hive.bees)
    each = Decimal("0.000002") * 3600 + Decimal("0.000001") * 3600 / 4
    assert plan.price_per_hour_glm == each * 3
    assert plan.price_per_month_glm == plan.price_per_hour_glm * 730
    assert plan.unmet == []


def test_it_plans_what_can_not_be_met_and_says_why(hive: Hive, team: Team, owner: User) -> None:
    source = COMPOSE.replace('cpus: "0.25"', 'cpus: "64"')
    plan = draw_up_plan(team=team, author=owner, source=source)
    assert len(plan.unmet) == 3
    assert plan.unmet[0]["reason"] == "no bee offers 64 CPU threads: the largest has 4"
    assert plan.unmet[0]["nearest"].startswith("with 4 CPU threads instead of 64 it fits bee ")
    assert plan.price_per_hour_glm == 0
    assert plan.effect_then.runway_h is None


def test_it_plans_services_together(hive: Hive, team: Team, owner: User) -> None:
    """Three Bees have 4 threads each: the second service finds only one of them free."""
    service = """
    image: hive/hello:1
    deploy: {replicas: 2, resources: {limits: {cpus: "3", memory: 256M}}}
    x-hive: {runtime: process}
"""
    source = f"name: hello\nservices:\n  one:{service}  two:{service}"
    plan = draw_up_plan(team=team, author=owner, source=source)
    taken = [one["node_id"] for one in plan.placements if one["node_id"]]
    assert len(taken) == len(set(taken)) == 3
    [unmet] = plan.unmet
    assert (unmet["replica"], unmet["reason"][:31]) == ("two-2", "every bee that could is full: a")


def test_it_needs_a_name_from_somewhere(hive: Hive, team: Team, owner: User) -> None:
    source = COMPOSE.replace("name: hello\n", "")
    with pytest.raises(ManifestError, match="name: missing"):
        draw_up_plan(team=team, author=owner, source=source)
    assert draw_up_plan(team=team, author=owner, source=source, name="other").name == "other"
    with pytest.raises(ManifestError, match="can't be part of a host name"):
        draw_up_plan(team=team, author=owner, source=source, name="Other!")


def test_it_deploys_to_three_nodes(running: Deployment, hive: Hive) -> None:
    assert states(running) == ["healthy"] * 3
    assert {one.node_id for one in active(running)} == set(hive.bees)
    assert status_of(running) == DeploymentStatus.HEALTHY
    web = running.services.get()
    assert web.host == "web.hello.bakery.localhost"
    assert web.url and web.url.startswith("http://web.hello.bakery.localhost:")


def test_it_holds_the_lease_before_it_places(running: Deployment, budget: Budget) -> None:
    for assignment in active(running):
        hold, agreement = assignment.agreement.hold, assignment.agreement
        needed = agreement.start_glm + agreement.price_per_hour_glm / 4
        assert hold.deadline_at == assignment.lease_until == assignment.deadline_at
        assert needed <= hold.amount < needed * Decimal("1.01")
    assert budget.held_glm == sum(hold.amount for hold in Hold.objects.all())


def test_it_tells_each_step_in_the_audit_trail(running: Deployment) -> None:
    replica = replicas(running)[0]
    steps = AuditLine.objects.filter(noun="replica", noun_id=str(replica.pk)).order_by("id")
    assert list(steps.values_list("after", flat=True)) == ["negotiating", "starting", "healthy"]
    assert all(step.reason and step.actor == "queen:reconcile" for step in steps)


def test_it_applies_a_plan_once(plan: Plan) -> None:
    deployment = apply_plan(plan, actor=TESTER)
    assert apply_plan(plan, actor=TESTER) == deployment
    assert Replica.objects.count() == 3


def test_a_plan_that_another_has_overtaken_changes_nothing(plan: Plan, team: Team, owner: User) -> None:
    newer = draw_up_plan(team=team, author=owner, source=COMPOSE.replace("replicas: 3", "replicas: 1"))
    deployment = apply_plan(newer, actor=TESTER)
    with pytest.raises(PlanOvertaken, match="draw up a new one"):
        apply_plan(plan, actor=TESTER)
    assert deployment.services.get().replicas_wanted == 1
    assert not Plan.objects.get(pk=plan.pk).applied_at
    assert apply_plan(newer, actor=TESTER) == deployment


def test_it_refuses_an_expired_plan(plan: Plan) -> None:
    plan.expires_at = timezone.now() - timedelta(seconds=1)
    from apps.deployments.plans.signing import sign

    plan.signature = sign(plan)
    plan.save()
    with pytest.raises(PlanExpired, match="draw up a new one"):
        apply_plan(plan, actor=TESTER)


@pytest.mark.parametrize(
    "field",
    ["name", "source", "expires_at", "placements", "manifest", "risks", "effect", "price_per_hour_glm"],
)
def test_it_refuses_a_plan_that_was_tampered_with(plan: Plan, field: str) -> None:
    other = {
        "name": "mine",
        "source": "else",
        "expires_at": plan.expires_at + timedelta(days=1),
        "placements": [],
        "manifest": {},
        "risks": [{"kind": "newcomer", "text": "all is well", "replicas": []}],
        "effect": {},
        "price_per_hour_glm": Decimal(0),
    }
    Plan.objects.filter(pk=plan.pk).update(**{field: other[field]})
    with pytest.raises(PlanRefused, match="signature"):
        apply_plan(plan, actor=TESTER)


@pytest.mark.parametrize("host", ["web.hello.rivals.localhost", "localhost", "www.localhost"])
def test_it_keeps_teams_off_each_others_hosts(hive: Hive, team: Team, owner: User, host: str) -> None:
    source = COMPOSE.replace("x-hive: {", f"x-hive: {{host: {host}, ")
    with pytest.raises(ManifestError):
        draw_up_plan(team=team, author=owner, source=source)


def test_it_serves_a_host_of_ones_own_once(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    source = COMPOSE.replace("x-hive: {", "x-hive: {host: shop.example.org, ")
    assert deploy(source).services.get().host == "shop.example.org"
    deploy(source)  # again, by the same service
    with pytest.raises(ManifestError, match="taken"):
        deploy(source.replace("name: hello", "name: other"))


def test_it_waits_for_money_and_says_how_much(
    hive: Hive, deploy: Callable[..., Deployment], budget: Budget, fund: Callable[..., None]
) -> None:
    until = timezone.now() + timedelta(hours=1)
    place_hold(budget=budget, reference="something else", amount_glm=Decimal("9.9"), until=until)
    deployment = deploy(COMPOSE.replace("x-hive: {", "x-hive: {lease: 24h, "))
    hive.look()
    waiting = [one for one in replicas(deployment) if one.state == "pending"]
    assert len(waiting) == 3
    assert waiting[0].reason == "budget bakery/main has 0.1 GLM available, needs 0.1944 GLM"
    assert waiting[0].deadline_at is not None and waiting[0].retry_at > timezone.now()
    assert status_of(deployment) == DeploymentStatus.WAITING
    fund(budget, "10")
    hive.turn(3)
    assert "negotiating" not in states(deployment)
    assert all("budget" not in one.reason for one in replicas(deployment))


def test_it_holds_nothing_while_nobody_offers(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    deployment = deploy(COMPOSE.replace('cpus: "0.25"', 'cpus: "64"'))
    hive.turn()
    assert states(deployment) == ["pending"] * 3
    assert replicas(deployment)[0].reason == "no bee offers 64 CPU threads: the largest has 4"
    assert not Hold.objects.exists()


def test_it_gives_up_at_its_deadline(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    deployment = deploy(COMPOSE.replace('cpus: "0.25"', 'cpus: "64"'))
    hive.turn()
    Replica.objects.update(deadline_at=timezone.now())
    hive.turn()
    assert states(deployment) == ["failed"] * 3
    assert replicas(deployment)[0].reason.startswith("gave up waiting: no bee offers 64 CPU threads")
    assert status_of(deployment) == DeploymentStatus.FAILED
    start(deployment, actor=TESTER, reason="again")
    assert states(deployment) == ["pending"] * 3


def test_it_gives_the_money_back_when_it_gives_up(
    hive: Hive, deploy: Callable[..., Deployment], budget: Budget
) -> None:
    for bee in hive.bees.values():
        bee.silent = True
    deployment = deploy()
    hive.turn()
    assert states(deployment) == ["negotiating"] * 3
    assert budget.held_glm > 0
    Replica.objects.update(deadline_at=timezone.now())
    hive.turn()
    assert states(deployment) == ["failed"] * 3
    assert budget.held_glm == 0
    assert not Agreement.objects.filter(state=AgreementState.PROPOSED).exists()


def test_it_puts_every_service_of_a_file_to_work(hive: Hive, deploy: Callable[..., Deployment]) -> None:
    source = COMPOSE + "  job: {image: hive/hello:1, x-hive: {runtime: process}}\n"
    deployment = deploy(source)
    hive.turn(2)
    assert states(deployment) == ["healthy"] * 4
    job = Service.objects.get(name="job")
    assert job.host is None and job.url is None
    assert Assignment.objects.filter(replica__service=job).count() == 1
