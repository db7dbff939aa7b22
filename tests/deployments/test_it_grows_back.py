"""What was let go for want of money comes back by itself as far as it is funded, if nobody said else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.billing.budgets.capping import change_cap, room_glm
from apps.billing.budgets.holding import free_ended_holds, place_hold, release_hold
from apps.billing.invoicing.suspending import lift, suspend
from apps.billing.models import AtEnd, Budget, CapState, Hold
from apps.deployments import assignments
from apps.deployments.applying import scale, start, stop
from apps.deployments.ends.carrying_out import carry_out_ends
from apps.deployments.ends.growing_back import funded_of, grow_back
from apps.deployments.ends.sparing import LEASES, others_glm, spare_glm
from apps.deployments.leases import renew_leases
from apps.deployments.models import Assignment, Deployment
from apps.deployments.serializers import DeploymentSerializer
from apps.deployments.showing import sheet_of
from apps.market.models import Agreement, KeyPolicy
from apps.market.tasks import negotiate_due
from apps.money import plain
from apps.teams.models import ApiToken, AuditLine, Team, User
from apps.teams.notices.models import Notice
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, states
from tests.deployments.test_it_ends_well import LACKS, TWO_SERVICES, cap_at, cap_of, raise_cap
from tests.deployments.test_it_renews_leases import LEASE, pass_time

Deploy = Callable[..., Deployment]


@pytest.fixture
def reduced(hive: Hive, deploy: Deploy) -> Deployment:
    """`TWO_SERVICES` under a cap that pays for one worker of two; all that it holds is in use again."""
    deployment = deploy(TWO_SERVICES)
    hive.turn(2)
    cap_at(deployment, f"{one_lease(deployment) * Decimal('0.6'):.18f}", at_end=AtEnd.SCALE_DOWN)
    pass_time(deployment, LEASE / 2)
    renew_leases()
    carry_out_ends()
    hive.turn(3)
    all_came_back(deployment)
    carry_out_ends()
    renew_leases()
    hive.turn()
    assert (wanted(deployment), cap_of(deployment).state) == ({"web": 1, "worker": 1}, CapState.FUNDED)
    return deployment


def one_lease(deployment: Deployment) -> Decimal:
    return active(deployment)[0].agreement.price_per_hour_glm / 4


def all_came_back(deployment: Deployment) -> None:
    """What was let go is stopped, and the last of its usage was rated long ago."""
    for gone in Assignment.objects.exclude(state="active").filter(replica__service__deployment=deployment):
        if gone.state == "released":  # else its Bee has said so by now
            assignments.ended(gone, actor=TESTER, reason="stopped")
        Agreement.objects.filter(pk=gone.agreement_id).update(ended_at=timezone.now() - timedelta(days=1))
    free_ended_holds()


def wanted(deployment: Deployment) -> dict[str, int]:
    return {each.name: each.replicas_wanted for each in deployment.services.all()}


def worker_of(deployment: Deployment) -> Any:
    return deployment.services.get(name="worker")


def told_of(deployment: Deployment) -> dict[str, Any]:
    return dict(DeploymentSerializer(sheet_of(deployment)).data)


# -- the rule, alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spare", "back"),
    [
        ("1.999", []),
        ("2", ["web1"]),
        ("5.999", ["web1", "web2"]),
        ("8", ["web1", "web2", "worker1", "worker2"]),
        ("-3", []),
    ],
)
def test_the_most_important_comes_back_first_and_each_with_two_leases(spare: str, back: list[str]) -> None:
    assert [f"{one.service}{one.index}" for one in funded_of(LACKS, spare_glm=Decimal(spare))] == back


# -- coming back ------------------------------------------------------------------------------------------


def test_it_is_remembered_with_who_and_when(reduced: Deployment) -> None:
    worker = worker_of(reduced)
    assert (worker.taken, worker.taken_by) == (1, "queen:budgets")
    assert worker.taken_at is not None and timezone.now() - worker.taken_at < timedelta(minutes=1)


def test_what_its_end_gave_back_does_not_bring_it_back(reduced: Deployment) -> None:
    assert room_glm(cap_of(reduced)) > 0
    for _ in range(3):
        assert grow_back() == 0
        carry_out_ends()
    assert wanted(reduced) == {"web": 1, "worker": 1}


def test_it_comes_back_once_the_cap_pays_for_two_leases_of_it(reduced: Deployment, hive: Hive) -> None:
    grow_back()
    missing = cap_of(reduced).needed_glm - room_glm(cap_of(reduced))
    raise_cap(reduced, f"{missing * Decimal('0.99'):.18f}")
    assert grow_back() == 0
    raise_cap(reduced, f"{missing * Decimal('0.02'):.18f}")
    assert grow_back() == 1
    hive.turn(2)
    assert (wanted(reduced), states(reduced)) == ({"web": 1, "worker": 2}, ["healthy"] * 3)
    worker = worker_of(reduced)
    assert (worker.taken, worker.taken_at, worker.taken_by) == (0, None, "")
    assert cap_of(reduced).needed_glm == 0
    assert grow_back() == 0


def test_it_is_written_down_and_told(reduced: Deployment, team: Team) -> None:
    raise_cap(reduced, "1")
    grow_back()
    line = AuditLine.objects.filter(noun="service").latest("id")
    assert (line.before, line.after, line.actor) == ("1", "2", "queen:budgets")
    assert line.reason == "scaled from 1 to 2 replicas, for they are funded again"
    notice = Notice.objects.get(team=team, kind="budget.restored")
    assert notice.subject == "hello: 1 replica came back with the money"
    assert notice.text.startswith("worker-2: let go for want of money, and funded again.")
    assert (notice.data["replicas"], notice.data["taken"]) == (["worker-2"], {})


def test_paying_in_brings_it_back_too(reduced: Deployment, budget: Budget) -> None:
    cap = cap_of(reduced)
    change_cap(cap, limit_glm=None, per=cap.per, at_end="", actor=TESTER)
    everything = place_hold(
        budget=budget,
        reference="x",
        amount_glm=budget.available_glm,
        until=timezone.now() + timedelta(days=1),
    )
    assert grow_back() == 0
    release_hold(everything, actor=TESTER, reason="as if somebody paid in")
    assert grow_back() == 1


def test_it_lasts_one_more_lease_at_least(reduced: Deployment, hive: Hive) -> None:
    """Else it would go again with its first lease, and come back, and go."""
    grow_back()
    raise_cap(reduced, f"{(cap_of(reduced).needed_glm - room_glm(cap_of(reduced))) * Decimal('1.01'):.18f}")
    assert grow_back() == 1
    hive.turn(2)
    for _ in range(2):
        pass_time(reduced, LEASE / 2)
        assert renew_leases() == 3
        carry_out_ends()
    assert wanted(reduced) == {"web": 1, "worker": 2}


def test_only_as_many_come_back_as_are_funded(hive: Hive, deploy: Deploy) -> None:
    deployment = deploy(TWO_SERVICES)
    hive.turn(2)
    lease = one_lease(deployment)
    cap_at(deployment, "0", at_end=AtEnd.SCALE_DOWN)
    for one in active(deployment):  # of what is held for the workers little comes back
        used = one.agreement.hold.amount * Decimal("0.9")
        Hold.objects.filter(pk=one.agreement.hold.pk).update(posted=used)
    deployment.services.filter(name="worker").update(
        replicas_wanted=0, taken=2, taken_at=(since := timezone.now() - LEASE), taken_by="queen:budgets"
    )
    hive.turn(3)
    all_came_back(deployment)
    grow_back()
    needed = cap_of(deployment).needed_glm - room_glm(cap_of(deployment))
    raise_cap(deployment, f"{needed + lease:.18f}")
    assert grow_back() == 1
    worker = worker_of(deployment)
    assert (worker.replicas_wanted, worker.taken, worker.taken_at) == (1, 1, since)
    assert cap_of(deployment).needed_glm > needed + lease, "what the next of them takes"
    assert grow_back() == 0, "one that is to stop first asks for its money soon"
    for step in (hive.look, negotiate_due, hive.turn, hive.turn):
        step()
        assert grow_back() == 0, "what came back needs its second lease"
    assert worker_of(deployment).taken == 1


# -- whose word holds -------------------------------------------------------------------------------------


def test_somebody_who_scales_has_the_last_word(reduced: Deployment) -> None:
    grow_back()
    scale(worker_of(reduced), 1, actor=TESTER)
    assert (worker_of(reduced).taken, cap_of(reduced).needed_glm) == (0, 0)
    raise_cap(reduced, "1")
    assert grow_back() == 0
    assert wanted(reduced) == {"web": 1, "worker": 1}


def test_so_has_a_file(reduced: Deployment, deploy: Deploy) -> None:
    raise_cap(reduced, "1")
    deploy(TWO_SERVICES.replace("replicas: 2", "replicas: 1"))
    assert worker_of(reduced).taken == 0
    assert grow_back() == 0


def test_what_was_stopped_stays_so_until_it_is_started(reduced: Deployment, hive: Hive) -> None:
    stop(reduced, actor=TESTER, reason="enough")
    raise_cap(reduced, "1")
    assert grow_back() == 0
    start(reduced, actor=TESTER, reason="again")
    hive.turn(2)
    assert grow_back() == 1


def test_a_stop_for_want_of_money_is_for_somebody_to_undo(running: Deployment, hive: Hive) -> None:
    cap_at(running, "0", at_end=AtEnd.STOP)
    pass_time(running, LEASE - timedelta(seconds=9))
    renew_leases()
    carry_out_ends()
    running.refresh_from_db()
    assert (running.wanted, cap_of(running).state) == ("stopped", CapState.ENDED)
    raise_cap(running, "1")
    carry_out_ends()
    assert grow_back() == 0
    hive.turn(3)
    assert set(states(running)) <= {"stopping", "stopped"}


# -- who comes first --------------------------------------------------------------------------------------


@pytest.fixture
def both(hive: Hive, deploy: Deploy) -> list[Deployment]:
    """Two of one budget, of each of which one worker of two is gone; neither has a cap.

    Nobody visits workers, so those that go are gone at once.
    """
    found = [deploy(TWO_SERVICES.replace("name: hello", f"name: {name}")) for name in ("one", "other")]
    hive.turn(2)
    for each in found:
        scale(worker_of(each), 1, actor=TESTER, taken=1)
    hive.turn(3)
    for each in found:
        all_came_back(each)
        assert len(active(each)) == 2
    return found


def leave(budget: Budget, left_glm: Decimal) -> None:
    """So much is available, and not more."""
    place_hold(
        budget=budget,
        reference=f"all but {left_glm}",
        amount_glm=budget.available_glm - left_glm,
        until=timezone.now() + timedelta(days=1),
    )


def enough_for_one_of(both: list[Deployment]) -> Decimal:
    """What each says the budget must have for the next of it, and a little more: that passes quickly."""
    assert grow_back() == 0
    caps = [cap_of(each) for each in both]
    return max(cap.needed_glm + cap.beside_glm for cap in caps) * Decimal("1.01")


def test_two_of_one_budget_do_not_come_back_on_the_same_money(
    both: list[Deployment], hive: Hive, budget: Budget
) -> None:
    room = budget.available_glm
    leave(budget, one_lease(both[0]))
    enough = enough_for_one_of(both)
    release_hold(Hold.objects.get(reference__startswith="all but"), actor=TESTER, reason="paid in")
    assert budget.available_glm == room
    leave(budget, enough)
    assert grow_back() == 1
    for step in (hive.look, negotiate_due, hive.turn, hive.turn):
        assert grow_back() == 0
        step()
    assert grow_back() == 0


def test_how_much_the_budget_must_have_is_neither_too_little_nor_too_much(
    both: list[Deployment], budget: Budget
) -> None:
    room = budget.available_glm
    leave(budget, one_lease(both[0]))
    enough = enough_for_one_of(both)
    release_hold(Hold.objects.get(reference__startswith="all but"), actor=TESTER, reason="paid in")
    assert enough < room
    leave(budget, enough * Decimal("0.97"))
    assert grow_back() == 0
    assert cap_of(both[0]).beside_glm > 0
    assert told_of(both[0])["cap"]["beside_glm"] == plain(cap_of(both[0]).beside_glm)


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_bring_back_two_on_the_same_money(
    both: list[Deployment], budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(budget, one_lease(both[0]))
    enough = enough_for_one_of(both)
    release_hold(Hold.objects.get(reference__startswith="all but"), actor=TESTER, reason="paid in")
    leave(budget, enough)
    together = threading.Barrier(2)

    def seen_by_both(cap: Any, **needed: Decimal) -> Decimal:
        """Each has looked before either goes on, where nothing keeps the other from looking."""
        with suppress(threading.BrokenBarrierError):
            together.wait(3)
        return spare_glm(cap, **needed)

    monkeypatch.setattr("apps.deployments.ends.growing_back.spare_glm", seen_by_both)

    def work(_: int) -> int:
        try:
            return grow_back()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as workers:
        assert sum(workers.map(work, range(2))) == 1


@pytest.mark.parametrize("replicas", [1, 2])
def test_others_are_reckoned_with_leases_of_their_own(
    reduced: Deployment, hive: Hive, deploy: Deploy, replicas: int
) -> None:
    other = COMPOSE.replace("name: hello", "name: other").replace("replicas: 3", f"replicas: {replicas}")
    deployment = deploy(other.replace("x-hive: {", "x-hive: {lease: 1h, "))
    starting_glm = others_glm(cap_of(reduced))
    hive.turn(2)
    hour_glm = sum(one.agreement.price_per_hour_glm for one in active(deployment))
    assert starting_glm == LEASES * hour_glm
    assert others_glm(cap_of(reduced)) == hour_glm > 0
    with CaptureQueriesContext(connection) as queries:
        others_glm(cap_of(reduced))
    assert len(queries) == 4, "its cap, those that are short, those that start, and what runs"


def test_what_another_of_its_budget_is_short_of_comes_first(
    reduced: Deployment, hive: Hive, deploy: Deploy, budget: Budget
) -> None:
    cap = cap_of(reduced)
    change_cap(cap, limit_glm=None, per=cap.per, at_end="", actor=TESTER)
    other = deploy(COMPOSE.replace("name: hello", "name: other").replace("replicas: 3", "replicas: 1"))
    hive.turn(2)
    enough = one_lease(reduced) * LEASES * 6
    place_hold(
        budget=budget,
        reference="x",
        amount_glm=budget.available_glm - enough,
        until=timezone.now() + timedelta(days=1),
    )
    theirs = cap_of(other)
    theirs.move_to(
        CapState.ASKED,
        actor=TESTER,
        reason="short",
        deadline_at=timezone.now() + LEASE,
        needed_glm=enough * 2,
    )
    assert grow_back() == 0
    cap = cap_of(reduced)
    assert cap.beside_glm > enough * 2 > budget.available_glm
    assert told_of(reduced)["reason"] == (
        "let go for want of money: 1 replica of worker; the next comes back by itself once budget"
        f" {budget} has {plain(cap.needed_glm + cap.beside_glm)} GLM available,"
        f" {plain(cap.beside_glm)} GLM of it for what others of it need"
    )
    theirs.move_to(CapState.FUNDED, actor=TESTER, reason="paid", needed_glm=Decimal(0))
    assert grow_back() == 1


def test_a_team_that_is_suspended_gets_nothing_back(reduced: Deployment, team: Team) -> None:
    raise_cap(reduced, "1")
    suspend(team, actor=TESTER, because="it did not pay")
    assert grow_back() == 0
    lift(team, actor=TESTER, reason="it paid")
    assert grow_back() == 1


def test_a_key_that_may_not_spend_more_gets_nothing_back(
    reduced: Deployment, team: Team, owner: User
) -> None:
    raise_cap(reduced, "1")
    key, _ = KeyPolicy.issue(
        team=team, user=owner, name="ci", valid=timedelta(days=1), limit_glm=Decimal("0.000001")
    )
    Deployment.objects.filter(pk=reduced.pk).update(key=key.token)
    assert grow_back() == 0
    KeyPolicy.objects.filter(pk=key.pk).update(limit_glm=Decimal(100))
    ApiToken.objects.filter(pk=key.token_id).update(expires_at=timezone.now())
    assert grow_back() == 0
    ApiToken.objects.filter(pk=key.token_id).update(expires_at=timezone.now() + timedelta(days=1))
    assert grow_back() == 1


def test_one_that_can_not_be_looked_at_holds_up_no_other(
    reduced: Deployment, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = deploy(TWO_SERVICES.replace("name: hello", "name: other"))
    other.services.filter(name="worker").update(
        replicas_wanted=1, taken=1, taken_at=timezone.now(), taken_by="queen:budgets"
    )
    raise_cap(reduced, "1")

    def broken(cap: Any, **needed: Decimal) -> Decimal:
        if cap.pk == reduced.cap_id:
            raise ZeroDivisionError("as if there were a fault in it")
        return Decimal(100)

    monkeypatch.setattr("apps.deployments.ends.growing_back.spare_glm", broken)
    assert grow_back() == 1
    assert (worker_of(reduced).taken, worker_of(other).taken) == (1, 0)


# -- who sees it ------------------------------------------------------------------------------------------


def test_the_api_says_what_is_gone_and_when_it_comes_back(reduced: Deployment) -> None:
    grow_back()
    told = told_of(reduced)
    needed = plain(cap_of(reduced).needed_glm)
    assert told["reason"] == (
        "let go for want of money: 1 replica of worker;"
        f" the next comes back by itself once its cap has {needed} GLM left"
    )
    worker = next(each for each in told["services"] if each["name"] == "worker")
    assert (worker["replicas_taken"], worker["taken_by"]) == (1, "queen:budgets")
    assert worker["taken_at"] is not None


@pytest.mark.parametrize(
    "sql", ["SET taken = 2, taken_at = NULL", "SET taken = 0", "SET taken = -1", "SET taken_by = ''"]
)
def test_the_database_keeps_how_many_with_who_and_when(reduced: Deployment, sql: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(f"UPDATE deployments_service {sql} WHERE name = 'worker'")
