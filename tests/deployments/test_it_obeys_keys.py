"""An application key holds at plan, apply, reserving, placing and renewing, and what it ends is said."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.utils import timezone

from agent.protocol import Permit, RunState
from agent.rules.permits import THE_KEY
from agent.rules.signers import written
from apps.billing.budgets.capping import change_cap
from apps.billing.budgets.key_limits import spend_of
from apps.billing.models import Budget, Hold
from apps.deployments.applying import apply_plan, scale, stop
from apps.deployments.assignments import wanted_assignments
from apps.deployments.keyed import KeyForbids
from apps.deployments.leases import renew_leases
from apps.deployments.models import Assignment, Deployment, Plan
from apps.deployments.planning import draw_up_plan
from apps.market.models import Agreement, Demand, FactKind, KeyPolicy, ReputationFact
from apps.teams.models import ApiToken, AuditLine, Team, User
from tests.agent.test_it_lets_in_only_what_the_owner_trusts import document
from tests.deployments.conftest import COMPOSE, TESTER, Hive, active, replicas, states

pytestmark = pytest.mark.django_db

GOOD, BAD = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SOMEBODY, NOBODY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

MakeKey = Callable[..., KeyPolicy]
Planned = Callable[..., Plan]


def public(key: Ed25519PrivateKey) -> str:
    return written(key.public_key())


def compose(image: str = "hive/hello:1", *, runtime: str = "process", signed_by: Any = None) -> str:
    source = COMPOSE.replace("hive/hello:1", image).replace("[process]", f"[{runtime}]")
    if signed_by is None:
        return source
    payload = document(GOOD)
    said, proof = (base64.b64encode(each).decode() for each in (payload, signed_by.sign(payload)))
    signatures = f"signatures: [{{payload: {said}, signature: {proof}}}]"
    return source.replace("x-hive: {", f"x-hive: {{{signatures}, ")


@pytest.fixture
def make_key(team: Team, owner: User) -> MakeKey:
    def make(**allowed: Any) -> KeyPolicy:
        name = f"ci{KeyPolicy.objects.count() or ''}"  # no two of a team bear one name
        return KeyPolicy.issue(team=team, user=owner, name=name, valid=timedelta(days=1), **allowed)[0]

    return make


@pytest.fixture
def planned(team: Team, owner: User) -> Planned:
    def plan(key: KeyPolicy | None, source: str = COMPOSE, **said: Any) -> Plan:
        token = key.token if key else None
        return draw_up_plan(team=team, author=owner, source=source, key=token, **said)

    return plan


@pytest.fixture
def applied(planned: Planned) -> Callable[..., Deployment]:
    def apply(key: KeyPolicy | None, source: str = COMPOSE, **said: Any) -> Deployment:
        return apply_plan(planned(key, source, **said), actor=TESTER, key=key.token if key else None)

    return apply


def node_ids(hive: Hive) -> list[str]:
    return sorted(hive.bees)


# -- at the plan ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "source", "words"),
    [
        (
            {"images": [GOOD]},
            compose(runtime="docker"),
            "allows images by digest: write hive/hello@sha256:...",
        ),
        ({"images": [GOOD]}, compose(f"app@{BAD}"), f"does not allow image app@{BAD}"),
        (
            {"signers": [public(SOMEBODY)]},
            compose(),
            "is not signed by anybody whom the application key names",
        ),
        (
            {"signers": [public(SOMEBODY)]},
            compose(f"app@{GOOD}", signed_by=NOBODY),
            "is not signed by anybody whom the application key names",
        ),
    ],
)
def test_a_plan_names_the_line_of_an_image_that_the_key_does_not_allow(
    hive: Hive, make_key: MakeKey, planned: Planned, allowed: Any, source: str, words: str
) -> None:
    with pytest.raises(KeyForbids) as refused:
        planned(make_key(**allowed), source)
    [problem] = refused.value.problems
    assert problem.place == "services.web.image"
    assert problem.line == source.splitlines().index(f"    image: {_image(source)}") + 1
    assert words in str(problem)
    assert 'key "ci" (hive_' in str(problem)
    assert not Plan.objects.exists()


def _image(source: str) -> str:
    return source.partition("image: ")[2].splitlines()[0]


@pytest.mark.parametrize(
    ("allowed", "source"),
    [
        ({}, compose()),
        ({"images": [GOOD]}, compose(f"app@{GOOD}", runtime="docker")),
        ({"images": [GOOD]}, compose()),  # native: its Bee reads the digest off the files
        ({"signers": [public(SOMEBODY)]}, compose(f"app@{GOOD}", signed_by=SOMEBODY)),
        ({"images": [GOOD], "signers": [public(SOMEBODY)]}, compose(f"app@{GOOD}", signed_by=SOMEBODY)),
    ],
)
def test_a_plan_lets_pass_what_the_key_allows(
    hive: Hive, make_key: MakeKey, planned: Planned, allowed: Any, source: str
) -> None:
    key = make_key(**allowed)
    assert planned(key, source).key == key.token


def test_a_plan_places_on_allowed_providers_alone(hive: Hive, make_key: MakeKey, planned: Planned) -> None:
    here = node_ids(hive)[0]
    assert {each["node_id"] for each in planned(make_key(providers=[here])).placements} == {here}
    nobody = planned(make_key(providers=["0x" + "9" * 40]))
    assert {each["node_id"] for each in nobody.placements} == {None}
    assert all(each["reason"] for each in nobody.placements)


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        ({"limit_per_hour_glm": Decimal("0.001")}, "of its 0.001 GLM an hour, for all that it runs"),
        ({"limit_glm": Decimal("0.0001")}, "of its 0.0001 GLM in all"),
        ({"limit_per_day_glm": Decimal(0)}, "of its 0 GLM for today, until midnight UTC"),
    ],
)
def test_a_plan_that_the_key_can_not_pay_is_refused_with_the_figures(
    hive: Hive, make_key: MakeKey, planned: Planned, allowed: Any, words: str
) -> None:
    with pytest.raises(KeyForbids, match="ask an owner to raise its limit") as refused:
        planned(make_key(**allowed))
    assert words in str(refused.value)


def test_it_changes_only_what_was_applied_with_it(
    hive: Hive, make_key: MakeKey, planned: Planned, applied: Callable[..., Deployment]
) -> None:
    applied(None)
    with pytest.raises(KeyForbids, match="may not change hello, which was not applied with it"):
        planned(make_key())
    mine, other = make_key(), make_key()
    applied(mine, name="mine")
    assert planned(mine, name="mine")
    with pytest.raises(KeyForbids, match="may not change mine"):
        planned(other, name="mine")


def capped(budget: str) -> str:
    return f"{COMPOSE}x-hive: {{budget: {budget}}}\n"


def test_it_spends_under_a_cap_and_does_not_set_it(
    hive: Hive, make_key: MakeKey, planned: Planned, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    overtaken = planned(key, capped("{glm: 7, per: month, at_end: ask}"))
    made = applied(key, capped("5"))
    assert made.cap.limit_glm == 5, "where there was none"
    change_cap(made.cap, limit_glm=Decimal(2), per="month", at_end="stop", actor=TESTER)
    for asked in ("9", "{glm: 1, per: month}", "{glm: 2, per: in all}", "{at_end: ask}"):
        with pytest.raises(KeyForbids, match="may not change what hello may take") as refused:
            planned(key, source := capped(asked))
        [problem] = refused.value.problems
        assert (problem.place, problem.line) == ("x-hive.budget", source.count("\n"))
    with pytest.raises(KeyForbids, match=r"2 GLM a month, at the end .*hive budget cap hello"):
        apply_plan(overtaken, actor=TESTER, key=key.token)
    for asked in (capped("{glm: 2, per: month, at_end: stop}"), capped("{at_end: stop}"), COMPOSE):
        applied(key, asked)
    made.cap.refresh_from_db()
    assert (made.cap.limit_glm, made.cap.per, made.cap.at_end) == (2, "month", "stop")
    assert applied(None, capped("9")).cap.limit_glm == 9, "a member may"


# -- when it is applied -----------------------------------------------------------------------------------


def test_what_a_member_has_taken_over_is_closed_to_the_key_that_made_it(
    hive: Hive, make_key: MakeKey, planned: Planned
) -> None:
    key = make_key()
    old = planned(key)
    made = apply_plan(old, actor=TESTER, key=key.token)
    assert apply_plan(old, actor=TESTER, key=key.token) == made
    apply_plan(planned(None), actor=TESTER)
    with pytest.raises(KeyForbids, match="not applied with it"):
        apply_plan(old, actor=TESTER, key=key.token)


def test_a_deployment_remembers_the_key_it_was_applied_with(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    assert applied(key).key == key.token
    assert applied(None).key is None  # by a member: theirs from now on


def test_a_plan_of_before_does_not_outlive_a_tightened_policy(
    hive: Hive, make_key: MakeKey, planned: Planned
) -> None:
    key = make_key()
    plan = planned(key)
    key.change(actor=TESTER, providers=["0x" + "9" * 40])
    with pytest.raises(KeyForbids, match=r"does not allow node 0x.*draw up a new plan"):
        apply_plan(plan, actor=TESTER, key=key.token)
    key.change(actor=TESTER, providers=[])
    key.revoke(actor=TESTER, reason="leaked")
    with pytest.raises(KeyForbids, match="token revoked"):
        apply_plan(plan, actor=TESTER, key=key.token)
    assert not Deployment.objects.exists()


def test_what_is_applied_and_not_placed_yet_counts_for_the_hour(
    hive: Hive, make_key: MakeKey, planned: Planned
) -> None:
    """Of two plans that would fit alone, the second to be applied is refused."""
    key = make_key()
    first, second = planned(key, name="one"), planned(key, name="two")
    key.change(actor=TESTER, limit_per_hour_glm=first.price_per_hour_glm * Decimal("1.5"))
    apply_plan(first, actor=TESTER, key=key.token)
    with pytest.raises(KeyForbids, match="an hour, for all that it runs"):
        apply_plan(second, actor=TESTER, key=key.token)
    assert Deployment.objects.get().name == "one"
    assert apply_plan(planned(key, name="one"), actor=TESTER, key=key.token)  # not counted beside itself


@pytest.mark.django_db(transaction=True)
def test_of_two_plans_applied_at_once_one_gets_the_last_of_it(
    hive: Hive, make_key: MakeKey, planned: Planned
) -> None:
    key = make_key()
    plans = [planned(key, name=name) for name in ("one", "two", "three", "four")]
    key.change(actor=TESTER, limit_per_hour_glm=plans[0].price_per_hour_glm * Decimal("2.5"))
    start = threading.Barrier(len(plans))

    def apply(plan: Plan) -> bool:
        try:
            token = ApiToken.objects.get(pk=key.token_id)
            start.wait(30)
            apply_plan(plan, actor=TESTER, key=token)
        except KeyForbids:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(len(plans)) as workers:
        assert sorted(workers.map(apply, plans)) == [False, False, True, True]
    assert Deployment.objects.count() == 2


# -- when it is placed ------------------------------------------------------------------------------------


def test_everything_of_it_lands_where_it_may(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    allowed = node_ids(hive)[:2]
    deployment = applied(make_key(providers=allowed))
    hive.turn(2)
    assert states(deployment) == ["healthy"] * 3
    assert set(Agreement.objects.values_list("node_id", flat=True)) == set(allowed)
    assert [demand.allowed_nodes for demand in Demand.objects.all()] == [sorted(allowed)] * 3


def test_the_bee_is_told_what_the_key_allows(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    applied(make_key(providers=node_ids(hive), images=[GOOD]))
    hive.turn(2)
    for node_id, [wanted] in wanted_assignments(node_ids(hive)).items():
        assert wanted.workload.permit == Permit(providers=[node_id], images=[GOOD])


def test_a_key_without_rules_sends_no_permit(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    applied(make_key(limit_glm=Decimal(5)))
    hive.turn(2)
    told = [one.workload.permit for wanted in wanted_assignments(node_ids(hive)).values() for one in wanted]
    assert told == [None] * 3


def test_it_holds_money_under_the_key_and_no_more_than_it_may(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment], budget: Budget
) -> None:
    key = make_key()
    deployment = applied(key)
    hive.turn(2)
    spend = spend_of(key.token_id)
    assert spend.total_glm == spend.held_glm == spend.today_glm == budget.held_glm > 0
    assert spend.per_hour_glm == sum(one.agreement.price_per_hour_glm for one in active(deployment))
    key.change(actor=TESTER, limit_glm=spend.total_glm)
    scale(deployment.services.get(), 4, actor=TESTER)
    hive.turn(2)
    assert states(deployment) == ["healthy", "healthy", "healthy", "pending"]
    waiting = replicas(deployment)[3].reason
    assert waiting.startswith('key "ci" (hive_')
    assert "has 0 GLM left of its" in waiting
    assert "GLM in all: " in waiting
    assert spend_of(key.token_id).total_glm == spend.total_glm
    key.change(actor=TESTER, limit_glm=Decimal(5))
    hive.turn(2)
    assert states(deployment) == ["healthy"] * 4


def test_what_is_given_back_can_be_spent_again(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key(limit_glm=Decimal("0.05"))
    deployment = applied(key)
    for bee in hive.bees.values():
        bee.silent = True
    hive.turn()
    assert spend_of(key.token_id).held_glm > 0
    stop(deployment, actor=TESTER, reason="enough")
    hive.look()
    assert spend_of(key.token_id).total_glm == 0


def test_nothing_new_is_placed_with_a_key_that_has_ended(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    deployment = applied(key)
    key.revoke(actor=TESTER, reason="leaked")
    hive.turn()
    assert states(deployment) == ["pending"] * 3
    reason = replicas(deployment)[0].reason
    assert reason.startswith('key "ci" (hive_')
    assert reason.endswith("token revoked: apply it again, with another key or as a member")
    assert not Hold.objects.exists()


def test_what_runs_goes_on_when_its_key_ends(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    deployment = applied(key)
    hive.turn(2)
    key.revoke(actor=TESTER, reason="rotated")
    before = _lease_ends(deployment)
    _due(deployment)
    assert renew_leases() == 3
    assert all(after > end for after, end in zip(_lease_ends(deployment), before, strict=True))
    hive.lose(active(deployment)[0].node_id)
    hive.turn(2)
    assert sorted(states(deployment)) == ["healthy", "healthy", "pending"]
    applied(None)  # a member takes it over
    hive.turn(2)
    assert states(deployment) == ["healthy"] * 3


def test_what_a_tightened_policy_forbids_ends_with_its_lease(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    deployment = applied(key)
    hive.turn(2)
    forbidden, *allowed = node_ids(hive)
    key.change(actor=TESTER, providers=allowed)
    _due(deployment)
    assert renew_leases() == 2
    told = [each.reason for each in replicas(deployment) if "can't be renewed" in each.reason]
    assert len(told) == 1
    assert f"the application key does not allow node {forbidden}" in told[0]
    [late] = [one for one in active(deployment) if one.node_id == forbidden]
    now = timezone.now()
    Assignment.objects.filter(pk=late.pk).update(lease_until=now, deadline_at=now)
    hive.turn(3)
    assert states(deployment) == ["healthy"] * 3
    assert {one.node_id for one in active(deployment)} == set(allowed)


def test_a_policy_tightened_between_agreeing_and_placing_holds(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    deployment = applied(key)
    for bee in hive.bees.values():
        bee.silent = True
    hive.turn()
    assert states(deployment) == ["negotiating"] * 3
    key.change(actor=TESTER, images=[BAD], providers=["0x" + "9" * 40])
    for bee in hive.bees.values():
        bee.answer()
    hive.look()
    assert not Assignment.objects.exists()
    assert states(deployment) == ["pending"] * 3
    ended = Agreement.objects.exclude(state="proposed")
    assert ended
    assert all("the application key does not allow node" in each.reason for each in ended)


def test_a_limit_that_is_used_up_lets_leases_run_out(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment]
) -> None:
    key = make_key()
    deployment = applied(key)
    hive.turn(2)
    key.change(actor=TESTER, limit_per_day_glm=spend_of(key.token_id).today_glm)
    _due(deployment)
    assert renew_leases() == 0
    assert all("for today, until midnight UTC" in each.reason for each in replicas(deployment))


@pytest.mark.parametrize(("allowed", "counts"), [({"images": [GOOD]}, False), ({"limit_glm": 5}, True)])
def test_a_node_is_not_blamed_for_what_the_key_forbade_it_to_start(
    hive: Hive, make_key: MakeKey, applied: Callable[..., Deployment], allowed: Any, counts: bool
) -> None:
    """Nor is it let off for saying so, where no key forbade anything."""
    for bee in hive.bees.values():
        bee.says, bee.reason = RunState.FAILED, f"{THE_KEY} does not allow image hive/hello:1 ({BAD})"
    applied(make_key(**allowed))
    hive.turn(2)
    assert Assignment.objects.filter(state="released", reason__contains="does not allow image").exists()
    assert ReputationFact.objects.filter(kind=FactKind.START_FAILED).exists() == counts


def test_a_members_token_is_limited_by_nothing(hive: Hive, team: Team, owner: User, planned: Planned) -> None:
    token, _ = ApiToken.issue(team=team, user=owner, name="laptop")
    plan = draw_up_plan(team=team, author=owner, source=COMPOSE, key=token)
    deployment = apply_plan(plan, actor=TESTER, key=token)
    hive.turn(2)
    assert states(deployment) == ["healthy"] * 3
    assert deployment.key == token
    assert set(Hold.objects.values_list("key", flat=True)) == {None}


def test_each_change_of_a_key_is_in_the_audit_trail(make_key: MakeKey) -> None:
    key = make_key(limit_glm=Decimal(5))
    key.change(actor=TESTER, images=[GOOD], requests_per_minute=60)
    steps = AuditLine.objects.filter(noun="keypolicy").order_by("id").values_list("after", "reason")
    assert list(steps) == [
        ("issued", "5 GLM in all"),
        ("changed", "1 image; 5 GLM in all; 60 requests a minute"),
    ]


def _due(deployment: Deployment) -> None:
    """Their leases have three minutes left."""
    now = timezone.now()
    for one in active(deployment):
        until = now + timedelta(minutes=3)
        Assignment.objects.filter(pk=one.pk).update(renew_at=now, lease_until=until, deadline_at=until)
        Hold.objects.filter(pk=one.agreement.hold.pk).update(deadline_at=until)


def _lease_ends(deployment: Deployment) -> list[Any]:
    return [one.lease_until for one in active(deployment)]
