"""When a deployment's money ends its team's choice is carried out, and it goes on when there is more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from apps.billing.budgets.capping import CapReached, change_cap, room_glm
from apps.billing.budgets.holding import free_ended_holds, place_hold, release_hold
from apps.billing.models import AtEnd, Budget, BudgetCap, CapPeriod, CapState, Hold
from apps.deployments import assignments, funding
from apps.deployments.applying import PlanRefused, apply_plan, scale, start, stop
from apps.deployments.ends.carrying_out import carry_out_ends
from apps.deployments.ends.causes import ShortOf, cause, short_of
from apps.deployments.ends.lacking import Lack, let_go
from apps.deployments.ends.moving import ends_at
from apps.deployments.ends.wording import money_of
from apps.deployments.leases import renew_leases
from apps.deployments.manifest import ManifestError, parse_manifest
from apps.deployments.models import Assignment, Deployment
from apps.deployments.planning import draw_up_plan
from apps.deployments.plans.effect import Effect
from apps.deployments.status import status_of
from apps.market.models import Agreement
from apps.money import plain
from apps.teams.models import AuditLine, Team, User
from apps.teams.notices.models import Notice
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, replicas, seconds, states
from tests.deployments.test_it_renews_leases import LEASE, pass_time

Deploy = Callable[..., Deployment]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

TWO_SERVICES = """
name: hello
services:
  web:
    image: hive/hello:1
    deploy: {resources: {limits: {cpus: "0.25", memory: 256M}}}
    x-hive: {runtime: [process], priority: 500}
  worker:
    image: hive/hello:1
    deploy: {replicas: 2, resources: {limits: {cpus: "0.25", memory: 256M}}}
    x-hive: {runtime: [process], priority: 10}
"""


def cap_of(deployment: Deployment) -> BudgetCap:
    return BudgetCap.objects.select_related("budget").get(pk=deployment.cap_id)


def choose(deployment: Deployment, at_end: str) -> None:
    cap = cap_of(deployment)
    change_cap(cap, limit_glm=cap.limit_glm, per=cap.per, at_end=at_end, actor=TESTER)


def cap_at(deployment: Deployment, more: str, *, at_end: str = "") -> BudgetCap:
    """`more` GLM than what it has held and spent by now."""
    cap = cap_of(deployment)
    limit = cap.counted_glm + Decimal(more)
    return change_cap(cap, limit_glm=limit, per=CapPeriod.IN_ALL, at_end=at_end, actor=TESTER)


def raise_cap(deployment: Deployment, by: str) -> None:
    cap = cap_of(deployment)
    assert cap.limit_glm is not None
    limit = cap.limit_glm + Decimal(by)
    change_cap(cap, limit_glm=limit, per=cap.per, at_end=cap.at_end, actor=TESTER)


def need_money(deployment: Deployment) -> None:
    """Half a lease later: all are due, and refused."""
    pass_time(deployment, LEASE / 2)
    assert renew_leases() == 0


def run_out(deployment: Deployment, hive: Hive) -> None:
    pass_time(deployment, LEASE / 2)
    hive.turn(2)


def past_deadline(deployment: Deployment) -> None:
    BudgetCap.objects.filter(pk=deployment.cap_id).update(deadline_at=timezone.now() - seconds(1))


# -- the rules, alone -------------------------------------------------------------------------------------


def lack(service: str, index: int, priority: int, *, needed: str = "1", left: str = "0") -> Lack:
    return Lack(
        service=service, index=index, priority=priority, needed_glm=Decimal(needed), left_glm=Decimal(left)
    )


LACKS = [lack("web", 1, 500), lack("web", 2, 500), lack("worker", 1, 10), lack("worker", 2, 10)]


@pytest.mark.parametrize(
    ("room", "gone"),
    [
        ("4", []),
        ("3.999", ["worker2"]),
        ("2", ["worker2", "worker1"]),
        ("1", ["worker2", "worker1", "web2"]),
        ("0.5", ["worker2", "worker1", "web2", "web1"]),
    ],
)
def test_the_least_important_go_first_and_no_more_than_must(room: str, gone: list[str]) -> None:
    assert [f"{one.service}{one.index}" for one in let_go(LACKS, room_glm=Decimal(room))] == gone


def test_what_is_held_for_those_that_go_pays_for_those_that_stay() -> None:
    lacks = [
        lack("web", 1, 500, left="0.5"),
        lack("worker", 1, 10, left="0.6"),
        lack("worker", 2, 10, left="0.6"),
    ]
    assert len(let_go(lacks, room_glm=Decimal(0))) == 2
    assert len(let_go(lacks, room_glm=Decimal("1.4"))) == 1


def test_something_has_to_be_done_before_the_first_lease_runs_out() -> None:
    def runs(minutes: float) -> Lack:
        until = NOON + timedelta(minutes=minutes)
        return Lack(service="web", index=1, priority=1, needed_glm=Decimal(1), lease_until=until)

    assert ends_at([runs(9), runs(5), lack("web", 3, 1)], now=NOON) == NOON + timedelta(
        minutes=5, seconds=-10
    )
    assert ends_at([runs(0.05)], now=NOON) == NOON
    assert ends_at([lack("web", 1, 1)], now=NOON) == NOON


# -- the cap ----------------------------------------------------------------------------------------------


def test_all_that_a_deployment_holds_counts_under_its_cap(running: Deployment, budget: Budget) -> None:
    assert cap_of(running).counted_glm == budget.held_glm > 0
    assert cap_of(running).reference == f"deployment:{running.pk}"


def test_a_cap_holds_before_anything_is_placed(hive: Hive, deploy: Deploy, budget: Budget) -> None:
    deployment = deploy(COMPOSE + "x-hive: {budget: 0.000001}\n")
    hive.turn(2)
    assert states(deployment) == ["pending"] * 3
    assert "hello may take 0.000001 GLM in all of its budget and has" in replicas(deployment)[0].reason
    assert budget.held_glm == 0


def test_it_is_set_by_the_file_and_stays_when_the_file_says_nothing(hive: Hive, deploy: Deploy) -> None:
    deployment = deploy(COMPOSE + "x-hive: {budget: {glm: 5, per: month, at_end: stop}}\n")
    cap = cap_of(deployment)
    assert (cap.limit_glm, cap.per, cap.choice) == (5, "month", AtEnd.STOP)
    deploy(COMPOSE + "x-hive: {budget: {at_end: ask}}\n")
    cap = cap_of(deployment)
    assert (cap.limit_glm, cap.per, cap.choice) == (5, "month", AtEnd.ASK)
    deploy(COMPOSE)
    assert cap_of(deployment).limit_glm == 5


def test_a_monthly_cap_stays_monthly_when_the_file_says_another_amount(
    hive: Hive, deploy: Deploy, team: Team, owner: User
) -> None:
    deployment = deploy(COMPOSE + "x-hive: {budget: {glm: 5, per: month}}\n")
    effect = draw_up_plan(team=team, author=owner, source=COMPOSE + "x-hive: {budget: 4}\n").effect_then
    assert (effect.cap_glm, effect.cap_per) == (4, "month")
    deploy(COMPOSE + "x-hive: {budget: 4}\n")
    cap = cap_of(deployment)
    assert (cap.limit_glm, cap.per) == (4, "month")
    deploy(COMPOSE + "x-hive: {budget: {glm: 4, per: in all}}\n")
    assert cap_of(deployment).per == "in all"


def test_a_cap_below_what_is_used_is_refused_by_plan_and_apply(
    running: Deployment, team: Team, owner: User, budget: Budget
) -> None:
    tiny = COMPOSE + "x-hive: {budget: 0.000001}\n"
    with pytest.raises(
        ManifestError, match=r"x-hive.budget: 0.000001 GLM: hello has 0.\d+ GLM spent or held"
    ):
        draw_up_plan(team=team, author=owner, source=tiny)
    some = str(budget.held_glm + Decimal("0.001"))
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE + f"x-hive: {{budget: {some}}}\n")
    place_hold(
        budget=budget,
        reference="more of it",
        amount_glm=Decimal("0.1"),
        until=timezone.now() + LEASE,
        cap=cap_of(running),
    )
    with pytest.raises(PlanRefused, match=r"x-hive.budget: .* name at least that"):
        apply_plan(plan, actor=TESTER)


def test_a_plan_says_what_it_does_to_the_cap(running: Deployment, team: Team, owner: User) -> None:
    source = COMPOSE.replace("replicas: 3", "replicas: 4") + "x-hive: {budget: {glm: 1, at_end: stop}}\n"
    effect = draw_up_plan(team=team, author=owner, source=source).effect_then
    held = cap_of(running).counted_glm
    assert (effect.cap_glm, effect.cap_left_glm, effect.cap_held_glm) == (1, 1 - held, held)
    assert (effect.cap_per, effect.at_end) == ("in all", "stop")
    assert effect.runway_h == pytest.approx(1 / effect.rate_own_glm, rel=Decimal("0.01"))
    assert effect.is_affordable


def test_what_fits_the_budget_and_not_the_cap_is_not_affordable() -> None:
    effect = Effect(
        available_glm=Decimal(9), first_leases_glm=Decimal(2), cap_glm=Decimal(1), cap_left_glm=Decimal(1)
    )
    assert not effect.is_affordable
    assert Effect.of_json(effect.as_json()) == effect


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("budget: -5", "x-hive.budget.glm: expected an amount of GLM above 0, got -5"),
        ("budget: many", 'x-hive.budget.glm: expected an amount of GLM such as "50", got "many"'),
        ("budget: .nan", "x-hive.budget.glm: expected an amount of GLM"),
        ("budget: 0.0000000000000000001", "x-hive.budget.glm: expected at most 18 digits"),
        ("budget: [5]", "x-hive.budget: expected a map, got a list"),
        ("budget: {glm: 5, per: week}", 'x-hive.budget.per: expected one of in all, month, got "week"'),
        ("budget: {per: month}", "x-hive.budget: says per, and no amount"),
        ("budget: {glm: 5, at_end: cry}", "x-hive.budget.at_end: expected one of stop, scale-down, ask"),
        ("budget: {glm: 5, atend: stop}", 'did you mean "at_end"?'),
    ],
)
def test_a_budget_that_is_none_is_told_with_its_place(said: str, words: str) -> None:
    with pytest.raises(ManifestError) as refused:
        parse_manifest(COMPOSE + f"x-hive:\n  {said}\n")
    assert words in str(refused.value)
    assert "line" in str(refused.value)


@pytest.mark.parametrize(("said", "words"), [("-1", "from 0 to 1000"), ("high", "a whole number")])
def test_a_priority_is_a_number(said: str, words: str) -> None:
    with pytest.raises(ManifestError, match=rf"services.web.x-hive.priority: expected {words}"):
        parse_manifest(TWO_SERVICES.replace("priority: 500", f"priority: {said}"))


# -- scale down -------------------------------------------------------------------------------------------


def test_what_could_not_be_let_go_yet_still_counts(hive: Hive, deploy: Deploy) -> None:
    """The last worker is just being placed: none goes in its place, and nothing is put off."""
    deployment = deploy(TWO_SERVICES)
    hive.turn(2)
    scale(deployment.services.get(name="worker"), 3, actor=TESTER)
    hive.look()
    assert states(deployment) == ["healthy", "healthy", "healthy", "negotiating"]
    cap_at(deployment, "0", at_end=AtEnd.SCALE_DOWN)
    pass_time(deployment, LEASE / 2)
    first = Assignment.objects.get(state="active", replica__service__name="worker", replica__index=2)
    Assignment.objects.filter(pk=first.pk).update(lease_until=timezone.now() + timedelta(minutes=2))
    assert renew_leases() == 0
    ends = cap_of(deployment).deadline_at
    assert ends is not None and ends < timezone.now() + timedelta(minutes=2)
    carry_out_ends()
    assert deployment.services.get(name="worker").replicas_wanted == 3
    assert cap_of(deployment).deadline_at == ends


# -- ask --------------------------------------------------------------------------------------------------


def test_the_owners_are_asked_once_and_it_runs_as_far_as_it_is_funded(
    running: Deployment, hive: Hive, team: Team
) -> None:
    cap_at(running, "0")
    need_money(running)
    carry_out_ends()
    cap = cap_of(running)
    assert (cap.state, "hello may take" in cap.reason, states(running)) == (
        CapState.ASKED,
        True,
        ["healthy"] * 3,
    )
    assert cap.deadline_at is not None and cap.deadline_at > timezone.now() + timedelta(days=2)
    renew_leases()
    notice = Notice.objects.get(team=team, kind="budget.ended")
    assert "hello: its money has ended" in notice.subject
    assert "then waits for you until" in notice.text


def test_it_waits_for_the_answer_and_goes_on_with_it_without_a_new_plan(
    running: Deployment, hive: Hive
) -> None:
    cap_at(running, "0")
    need_money(running)
    run_out(running, hive)
    assert states(running) == ["pending"] * 3
    cap = cap_of(running)
    assert all(one.deadline_at > cap.deadline_at for one in replicas(running))  # type: ignore[operator]
    carry_out_ends()
    assert cap_of(running).state == CapState.ASKED
    raise_cap(running, "1")
    carry_out_ends()
    assert cap_of(running).state == CapState.FUNDED
    hive.turn(2)
    assert states(running) == ["healthy"] * 3


def test_paying_in_is_an_answer_too(running: Deployment, hive: Hive, budget: Budget) -> None:
    taken = place_hold(
        budget=budget,
        reference="x",
        amount_glm=budget.available_glm,
        until=timezone.now() + timedelta(days=1),
    )
    need_money(running)
    assert cap_of(running).state == CapState.ASKED
    release_hold(taken, actor=TESTER, reason="as if somebody paid in")
    carry_out_ends()
    assert cap_of(running).state == CapState.FUNDED
    assert renew_leases() == 3


def test_what_is_asked_for_is_what_is_missing_by_now(running: Deployment, hive: Hive) -> None:
    """While leases last it is what they lack; once they have run out it is all of the next ones."""
    cap_at(running, "0")
    need_money(running)
    carry_out_ends()
    first_glm = cap_of(running).needed_glm
    run_out(running, hive)
    carry_out_ends()
    cap = cap_of(running)
    assert cap.needed_glm > first_glm
    raise_cap(running, str(cap.needed_glm - room_glm(cap)))
    carry_out_ends()
    assert cap_of(running).state == CapState.FUNDED


def test_it_says_what_helps(running: Deployment, budget: Budget) -> None:
    cap_at(running, "0")
    need_money(running)
    cap = cap_of(running)
    assert short_of(cap) == ShortOf.CAP
    assert money_of(cap).startswith("its money has ended: hello may take")
    assert "unless its cap is raised" in money_of(cap)
    notice = Notice.objects.get(kind="budget.ended")
    assert ("Pay in" in notice.text, "Raise its cap" in notice.text) == (False, True)
    assert notice.data["needed_glm"] == plain(cap.needed_glm)
    change_cap(cap, limit_glm=None, per=cap.per, at_end="", actor=TESTER)
    assert short_of(cap) is None
    place_hold(
        budget=budget,
        reference="x",
        amount_glm=budget.available_glm,
        until=timezone.now() + timedelta(days=1),
    )
    assert short_of(cap_of(running)) == ShortOf.BUDGET
    assert "has 0 GLM available; one more lease of all of it takes" in money_of(cap_of(running))


@pytest.mark.parametrize(
    ("left", "available", "expected"),
    [("5", "9", None), ("1", "9", ShortOf.CAP), (None, "1", ShortOf.BUDGET), ("1", "1", ShortOf.BOTH)],
)
def test_whose_room_is_too_small(left: str | None, available: str, expected: ShortOf | None) -> None:
    left_glm = None if left is None else Decimal(left)
    assert cause(needed_glm=Decimal(5), cap_left_glm=left_glm, available_glm=Decimal(available)) == expected


def test_too_little_is_no_answer(running: Deployment) -> None:
    cap_at(running, "0")
    need_money(running)
    raise_cap(running, "0.000001")
    carry_out_ends()
    assert cap_of(running).state == CapState.ASKED


def test_stopping_it_is_an_answer(running: Deployment) -> None:
    cap_at(running, "0")
    need_money(running)
    stop(running, actor=TESTER, reason="enough")
    assert (cap_of(running).state, cap_of(running).reason) == (CapState.ENDED, "enough")
    start(running, actor=TESTER, reason="again")
    assert cap_of(running).state == CapState.FUNDED


def test_without_an_answer_it_is_stopped_in_the_end(running: Deployment, hive: Hive) -> None:
    cap_at(running, "0")
    need_money(running)
    past_deadline(running)
    carry_out_ends()
    hive.turn(3)
    running.refresh_from_db()
    assert running.wanted == "stopped"
    cap = cap_of(running)
    assert cap.state == CapState.ENDED
    assert "nobody said in time what shall become of it: hello may take" in cap.reason


def test_another_choice_while_they_are_asked_is_carried_out(running: Deployment) -> None:
    cap_at(running, "0")
    need_money(running)
    choose(running, AtEnd.STOP)
    carry_out_ends()
    cap = cap_of(running)
    assert cap.state == CapState.ENDING
    assert cap.deadline_at is not None and cap.deadline_at < active(running)[0].lease_until


# -- stop -------------------------------------------------------------------------------------------------


def test_all_of_it_is_stopped_in_order_before_its_first_lease_runs_out(
    running: Deployment, hive: Hive, budget: Budget
) -> None:
    cap_at(running, "0", at_end=AtEnd.STOP)
    need_money(running)
    carry_out_ends()
    cap, first = cap_of(running), min(one.lease_until for one in active(running))
    assert (cap.state, states(running)) == (CapState.ENDING, ["healthy"] * 3)
    assert cap.deadline_at == first - timedelta(seconds=10)
    pass_time(running, LEASE / 2 - seconds(9))
    carry_out_ends()
    hive.turn(3)
    running = Deployment.objects.get(pk=running.pk)
    assert status_of(running) in {"stopped", "stopping"}
    assert cap_of(running).state == CapState.ENDED
    line = AuditLine.objects.filter(noun="deployment", after="stopped").latest("id")
    assert (line.actor, line.reason.startswith("its money has ended: hello may take")) == (
        "queen:budgets",
        True,
    )


def test_money_in_time_stops_nothing(running: Deployment) -> None:
    cap_at(running, "0", at_end=AtEnd.STOP)
    need_money(running)
    raise_cap(running, "1")
    past_deadline(running)
    carry_out_ends()
    assert cap_of(running).state == CapState.FUNDED
    assert renew_leases() == 3


def test_what_the_budget_says_holds_where_the_deployment_says_nothing(
    running: Deployment, budget: Budget
) -> None:
    Budget.objects.filter(pk=budget.pk).update(at_end=AtEnd.STOP)
    cap_at(running, "0")
    need_money(running)
    assert cap_of(running).state == CapState.ENDING


# -- scale down -------------------------------------------------------------------------------------------


def test_the_least_important_go_so_that_the_rest_lasts(hive: Hive, deploy: Deploy) -> None:
    deployment = deploy(TWO_SERVICES)
    hive.turn(2)
    one_lease = active(deployment)[0].agreement.price_per_hour_glm / 4
    cap_at(deployment, f"{one_lease * Decimal('0.6'):.18f}", at_end=AtEnd.SCALE_DOWN)
    pass_time(deployment, LEASE / 2)
    renew_leases()
    carry_out_ends()
    assert {each.name: each.replicas_wanted for each in deployment.services.all()} == {"web": 1, "worker": 1}
    line = AuditLine.objects.filter(noun="service", after="1").latest("id")
    assert line.reason.startswith(
        "scaled from 2 to 1 replicas, so that the money lasts for the rest: hello may"
    )
    carry_out_ends()
    carry_out_ends()
    assert {each.name: each.replicas_wanted for each in deployment.services.all()} == {"web": 1, "worker": 1}
    hive.turn(3)
    _all_came_back(deployment)
    carry_out_ends()
    assert cap_of(deployment).state == CapState.FUNDED
    assert renew_leases() > 0


def _all_came_back(deployment: Deployment) -> None:
    """Its Bee stopped it, and the last of its usage was rated long ago."""
    gone = Assignment.objects.exclude(state="active").get(replica__service__deployment=deployment)
    if gone.state == "released":  # else its Bee has said so by now
        assignments.ended(gone, actor=TESTER, reason="stopped")
    Agreement.objects.filter(pk=gone.agreement_id).update(ended_at=timezone.now() - timedelta(days=1))
    assert free_ended_holds() == 1


def test_when_nothing_can_stay_all_of_it_is_stopped(running: Deployment, hive: Hive) -> None:
    for hold in Hold.objects.all():  # used up to the last digit: nothing comes back
        Hold.objects.filter(pk=hold.pk).update(posted=hold.amount)
    cap_at(running, "0", at_end=AtEnd.SCALE_DOWN)
    need_money(running)
    carry_out_ends()
    running.refresh_from_db()
    assert (running.wanted, cap_of(running).state) == ("stopped", CapState.ENDED)


# -- what is funded ---------------------------------------------------------------------------------------


def lose_one(running: Deployment, hive: Hive, *, leaves: str, at_end: str) -> None:
    """One of three is lost, and its cap leaves so many leases for another: too few; the two are renewed."""
    one_lease = active(running)[0].agreement.price_per_hour_glm / 4
    cap_at(running, f"{one_lease * Decimal(leaves):.18f}", at_end=at_end)
    hive.lose(active(running)[0].node_id)
    hive.turn(2)
    assert states(running) == ["pending", "healthy", "healthy"]
    pass_time(running, LEASE * 0.4)
    assert renew_leases() == 2


@pytest.mark.parametrize(
    ("at_end", "state"),
    [(AtEnd.STOP, CapState.ENDING), (AtEnd.ASK, CapState.ASKED), (AtEnd.SCALE_DOWN, CapState.ENDING)],
)
def test_what_is_funded_goes_on_though_another_lease_is_not(
    running: Deployment, hive: Hive, at_end: AtEnd, state: CapState
) -> None:
    lose_one(running, hive, leaves="0.9", at_end=at_end)
    for _ in range(2):
        past_deadline(running)
        carry_out_ends()
    cap, first = cap_of(running), min(one.lease_until for one in active(running))
    running.refresh_from_db()
    assert (running.wanted, running.services.get().replicas_wanted) == ("running", 3)
    assert cap.state == state and cap.deadline_at is not None
    assert cap.deadline_at >= first - seconds(10), "an end that leases were renewed beyond is none"
    it_came_back(running)
    carry_out_ends()
    assert cap_of(running).state == CapState.FUNDED
    hive.turn(2)
    assert states(running) == ["healthy"] * 3


def it_came_back(deployment: Deployment) -> None:
    """What was held where the Bee was lost: nobody waits for its last usage any more."""
    gone = Hold.objects.exclude(agreement__assignment__state="active").get(cap=deployment.cap_id)
    Agreement.objects.filter(pk=gone.agreement_id).update(ended_at=timezone.now() - timedelta(days=1))
    assert free_ended_holds() == 1


def test_what_runs_is_stopped_when_its_own_leases_can_not_be_renewed(running: Deployment, hive: Hive) -> None:
    lose_one(running, hive, leaves="0.9", at_end=AtEnd.STOP)
    it_came_back(running)
    cap_at(running, "0", at_end=AtEnd.STOP)
    pass_time(running, LEASE - seconds(9))
    carry_out_ends()
    running.refresh_from_db()
    assert (running.wanted, cap_of(running).state) == ("stopped", CapState.ENDED)


def test_what_comes_back_is_waited_for_where_nothing_runs(hive: Hive, deploy: Deploy) -> None:
    deployment = deploy(COMPOSE.replace("replicas: 3", "replicas: 1"))
    hive.turn(2)
    cap_at(deployment, "0", at_end=AtEnd.STOP)
    hive.lose(active(deployment)[0].node_id)
    hive.turn(2)
    carry_out_ends()
    deployment.refresh_from_db()
    assert (deployment.wanted, cap_of(deployment).state) == ("running", CapState.ENDING)
    it_came_back(deployment)
    carry_out_ends()
    hive.turn(2)
    assert (states(deployment), cap_of(deployment).state) == (["healthy"], CapState.FUNDED)


@pytest.mark.parametrize(("at_end", "state"), [(AtEnd.STOP, CapState.ENDING), (AtEnd.ASK, CapState.ASKED)])
def test_a_bee_that_is_dearer_than_what_was_held_is_no_failure(
    hive: Hive, deploy: Deploy, at_end: AtEnd, state: CapState
) -> None:
    deployment = deploy(COMPOSE.replace("replicas: 3", "replicas: 1"))
    hive.turn(2)
    hive.lose(active(deployment)[0].node_id)
    agreement = active(deployment)[0].agreement
    lease_glm = funding.lease_glm(agreement, lease=LEASE)
    cap_at(deployment, f"{lease_glm - agreement.start_glm / 2:.18f}", at_end=at_end)
    hive.turn(10)
    replica, cap = replicas(deployment)[0], cap_of(deployment)
    assert (replica.state, replica.attempts, replica.refused_glm) == ("pending", 0, lease_glm)
    assert (cap.state, cap.needed_glm) == (state, lease_glm)
    assert Agreement.objects.count() == 2, "the second could not be paid, and nobody else is asked meanwhile"
    carry_out_ends()
    assert cap_of(deployment).state == state, "half a start price is lacking"
    raise_cap(deployment, f"{agreement.start_glm / 2:.18f}")
    carry_out_ends()
    hive.turn(2)
    assert (states(deployment), cap_of(deployment).state) == (["healthy"], CapState.FUNDED)
    assert replicas(deployment)[0].refused_glm is None


def test_a_first_lease_runs_from_the_signatures_unless_half_of_it_is_over(running: Deployment) -> None:
    agreement = active(running)[0].agreement
    signed_at = agreement.approved_at
    assert signed_at is not None

    def until(later: timedelta) -> datetime:
        return funding.first_lease_until(agreement, lease=LEASE, now=signed_at + later)

    assert until(seconds(3)) == signed_at + LEASE
    assert until(LEASE) == signed_at + LEASE * 1.5


# -- who is told ------------------------------------------------------------------------------------------


def test_each_end_is_told_of_and_so_is_the_stop(running: Deployment, team: Team) -> None:
    cap_at(running, "0", at_end=AtEnd.STOP)
    need_money(running)
    raise_cap(running, "1")
    carry_out_ends()
    assert renew_leases() == 3
    cap_at(running, "0", at_end=AtEnd.STOP)
    need_money(running)
    pass_time(running, LEASE / 2 - seconds(9))
    carry_out_ends()
    told = Notice.objects.filter(team=team).order_by("created_at")
    assert [one.kind for one in told] == ["budget.ended", "budget.ended", "budget.stopped"]
    stopped = told[2]
    assert stopped.subject == "hello: it was stopped for want of money"
    assert stopped.text.startswith("its money has ended: hello may take")
    assert Decimal(stopped.data["needed_glm"]) > 0


# -- what else ends ---------------------------------------------------------------------------------------


def test_a_replica_that_was_lost_waits_for_the_answer_like_the_others(
    running: Deployment, hive: Hive
) -> None:
    cap_at(running, "0")
    hive.lose(active(running)[0].node_id)
    hive.turn(2)
    assert cap_of(running).state == CapState.ASKED
    raise_cap(running, "1")
    carry_out_ends()
    hive.turn(2)
    assert states(running) == ["healthy"] * 3


def test_a_new_replica_that_the_cap_does_not_pay_ends_nothing(running: Deployment, hive: Hive) -> None:
    cap_at(running, "0")
    scale(running.services.get(), 4, actor=TESTER)
    hive.turn(2)
    assert (cap_of(running).state, states(running)) == (CapState.FUNDED, ["healthy"] * 3 + ["pending"])


def test_one_deployment_can_not_take_what_another_may(running: Deployment, budget: Budget) -> None:
    cap = cap_at(running, "0.001")
    with pytest.raises(CapReached), transaction.atomic():
        place_hold(budget=budget, reference="y", amount_glm=Decimal(1), until=timezone.now() + LEASE, cap=cap)
    assert place_hold(budget=budget, reference="z", amount_glm=Decimal(1), until=timezone.now() + LEASE)
