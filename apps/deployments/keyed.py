"""What an application key lets a deployment do: asked at plan, apply, reserving, placing and renewing.

A deployment remembers the key it was applied with last. Without one, or with a member's token, all of this
allows everything. What a key's end and a policy's change mean to what runs is told in docs/keys.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from agent.protocol import ImageSignature, Permit
from agent.rules.permits import THE_KEY
from apps.billing.budgets.capping import words_of
from apps.billing.budgets.key_limits import RUNS, KeyExhausted, locked_policy, spend_of, why_beyond
from apps.billing.models import BudgetCap, Hold
from apps.deployments.compose.problems import Problem, place_of
from apps.deployments.compose.source import Source
from apps.deployments.manifest import BudgetAsked, Manifest, ServiceSpec
from apps.deployments.models import Deployment, Plan, Wanted
from apps.deployments.replicas import Assignment, Replica
from apps.market.keys.judging import allowed_nodes_of, fault_of_image, fault_of_node
from apps.market.keys.policy import KeyPolicy, policy_of
from apps.money import ZERO
from apps.teams.models import ApiToken, Team


class KeyForbids(ValueError):
    """The key does not allow it; each problem has its place and says what to do."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def policy_for(deployment: Deployment) -> KeyPolicy | None:
    """What is asked of all that is placed for it."""
    return policy_of(deployment.key) if deployment.key_id else None


def limited_key(deployment: Deployment) -> ApiToken | None:
    """For its holds: the key whose limits they count against."""
    return deployment.key if policy_for(deployment) else None


def allowed_nodes(key: ApiToken | None) -> list[str] | None:
    """For the `Need.allowed_nodes` of a plan."""
    return allowed_nodes_of(policy_of(key))


def nodes_for(deployment: Deployment) -> list[str] | None:
    """For `Need.allowed_nodes`."""
    return allowed_nodes_of(policy_for(deployment))


def permit_of(deployment: Deployment, *, node_id: str) -> Permit | None:
    """What this node is told with each of its workloads; None when there is nothing to keep to.

    Of the providers it is told of itself alone, where it is one: a thousand others are not its affair.
    """
    policy = policy_for(deployment)
    if policy is None or policy.permit == Permit():
        return None
    here = [node_id] if node_id in policy.providers else policy.providers
    return msgspec.structs.replace(policy.permit, providers=here)


def as_json(permit: Permit | None) -> dict[str, list[str]] | None:
    return msgspec.to_builtins(permit) if permit else None


def from_json(said: dict[str, list[str]] | None) -> Permit | None:
    return msgspec.convert(said, Permit) if said else None


# -- plan and apply ---------------------------------------------------------------------------------------


def check_manifest(
    key: ApiToken | None, manifest: Manifest, *, team: Team, name: str, source: str, file_name: str
) -> None:
    """Raises KeyForbids: each service whose image the key does not allow, a deployment or a cap of others."""
    policy = policy_of(key)
    if policy is None:
        return
    lines = _lines(source, file_name)
    faults = dict(_faults(policy, manifest))
    if why_not := _why_not_its_own(policy, team=team, name=name):
        faults[("name",)] = why_not
    elif why_not := _why_not_this_cap(policy, manifest.budget, team=team, name=name):
        faults[("x-hive", "budget")] = why_not
    if faults:
        raise KeyForbids(
            [Problem(place_of(at), lines.line_of(at), fault, file_name) for at, fault in faults.items()]
        )


def check_cost(key: ApiToken | None, plan: Plan, *, file_name: str = "compose.yaml") -> None:
    """Raises KeyForbids when the plan costs more than the key may still spend."""
    policy = policy_of(key)
    if policy and (why_not := _why_too_dear(policy, plan)):
        raise KeyForbids([Problem("services", None, f"{why_not}: {_AFFORD}", file_name)])


def must_allow(plan: Plan, key: ApiToken | None) -> None:
    """Before it is applied: the policy may have changed since it was drawn up. Raises KeyForbids."""
    policy = policy_of(key)
    if policy is None:
        return
    manifest = Manifest.model_validate(plan.manifest)
    if why_not := policy.refusal(now=timezone.now()):
        raise KeyForbids([Problem("", None, why_not)])
    check_manifest(
        key, manifest, team=plan.team, name=plan.name, source=plan.source, file_name="compose.yaml"
    )
    forbidden = {each["node_id"] for each in plan.placements if each["node_id"]}
    faults = sorted(filter(None, (fault_of_node(policy, node_id) for node_id in forbidden)))
    if faults:
        raise KeyForbids([Problem("services", None, f"{fault}: draw up a new plan") for fault in faults])


def must_be_its_own(plan: Plan, key: ApiToken | None) -> None:
    """A plan that was applied is shown to a key only while the deployment is its own. Raises KeyForbids."""
    policy = policy_of(key)
    if policy and (why_not := _why_not_its_own(policy, team=plan.team, name=plan.name)):
        raise KeyForbids([Problem("name", None, why_not)])


def must_afford(plan: Plan, key: ApiToken | None) -> None:
    """Once it is applied, and before that is committed: of two plans at once each sees the other.

    The lock on the policy comes after those on replicas, as everywhere.
    """
    locked = locked_policy(key.pk if key else None)
    if locked is not None:
        check_cost(locked.token, plan)


# -- placing and renewing ---------------------------------------------------------------------------------


def why_not_placed(replica: Replica, *, now: datetime) -> str:
    """Why nothing new is placed for this replica: its key has ended, or does not allow its image any more."""
    policy = policy_for(replica.service.deployment)
    if policy is None:
        return ""
    if ended := policy.refusal(now=now):
        return f"{ended}: apply it again, with another key or as a member"
    return _fault_of(policy, replica.runs)


def why_not_on(replica: Replica, node_id: str) -> str:
    """Why it may not run, or run on, on this node; that its key has ended is no reason."""
    policy = policy_for(replica.service.deployment)
    if policy is None:
        return ""
    return fault_of_node(policy, node_id) or _fault_of(policy, replica.runs)


def forbade(assignment: Assignment) -> bool:
    """Whether its Bee would not run it because of what the key allows: no fault of the node's.

    Only a permit that asks something of images can have been the reason, whatever the Bee says.
    """
    permit = from_json(assignment.permit)
    asks = permit is not None and bool(permit.images or permit.signers)
    return asks and THE_KEY in assignment.observed_reason


def why_not_more(
    deployment: Deployment, *, added_glm: Decimal, added_per_hour_glm: Decimal, now: datetime
) -> str:
    """Why its key does not let it spend so much more now; empty where it does, and where there is none."""
    policy = policy_for(deployment)
    if policy is None:
        return ""
    spend = spend_of(policy.token_id)
    after = replace(
        spend,
        total_glm=spend.total_glm + added_glm,
        today_glm=spend.today_glm + added_glm,
        per_hour_glm=spend.per_hour_glm + added_per_hour_glm,
    )
    beyond = why_beyond(policy, after, added_glm=added_glm, added_per_hour_glm=added_per_hour_glm)
    return policy.refusal(now=now) or str(beyond or "")


# -- within -----------------------------------------------------------------------------------------------

_AFFORD = "want fewer or smaller replicas, or ask an owner to raise its limit"


def _faults(policy: KeyPolicy, manifest: Manifest) -> Iterator[tuple[tuple[str, ...], str]]:
    for service, spec in manifest.services.items():
        if fault := _fault_of(policy, spec):
            yield ("services", service, "image"), fault


def _fault_of(policy: KeyPolicy, spec: ServiceSpec) -> str:
    signatures = [ImageSignature(**each.model_dump()) for each in spec.signatures]
    return fault_of_image(policy, image=spec.image, runtimes=spec.runtimes, signatures=signatures)


def _why_not_its_own(policy: KeyPolicy, *, team: Team, name: str) -> str:
    """A key changes only what was applied with it: it would get round its limits otherwise."""
    taken = Deployment.objects.filter(team=team, name=name).exclude(key=policy.token_id).exists()
    return (
        f"{policy} may not change {name}, which was not applied with it: choose another name" if taken else ""
    )


def _why_not_this_cap(policy: KeyPolicy, asked: BudgetAsked | None, *, team: Team, name: str) -> str:
    """A key spends under the cap that is set; it may say the same again, and set one where there is none."""
    own = BudgetCap.objects.filter(pk__in=Deployment.objects.filter(team=team, name=name).values("cap"))
    cap = own.first()
    if asked is None or cap is None or (cap.limit_glm is None and not cap.at_end):
        return ""
    is_same = not asked.glm or (asked.glm, asked.per or cap.per) == (cap.limit_glm, cap.per)
    if is_same and asked.at_end in ("", cap.at_end):
        return ""
    return (
        f"{policy} may not change what {name} may take ({words_of(cap)}): leave it out,"
        f" or ask a member to set it (hive budget cap {name})"
    )


def _why_too_dear(policy: KeyPolicy, plan: Plan) -> KeyExhausted | None:
    """With what runs elsewhere under the key; what is applied and not placed yet counts as planned."""
    spend, leases_glm = spend_of(policy.token_id), plan.effect_then.first_leases_glm
    per_hour_glm = plan.price_per_hour_glm
    after = replace(
        spend,
        total_glm=spend.total_glm + leases_glm,
        today_glm=spend.today_glm + leases_glm,
        per_hour_glm=_elsewhere_per_hour_glm(policy, plan) + per_hour_glm,
    )
    return why_beyond(policy, after, added_glm=leases_glm, added_per_hour_glm=per_hour_glm)


def _elsewhere_per_hour_glm(policy: KeyPolicy, plan: Plan) -> Decimal:
    others = Deployment.objects.filter(key=policy.token_id, wanted=Wanted.RUNNING).exclude(
        team=plan.team_id, name=plan.name
    )
    applied = Plan.objects.filter(deployment=OuterRef("pk"), applied_at__isnull=False).order_by("-applied_at")
    planned = others.annotate(rate=Subquery(applied.values("price_per_hour_glm")[:1]))
    held = Hold.objects.filter(
        RUNS,
        key=policy.token_id,
        pk__in=Replica.objects.filter(service__deployment__in=others).values("hold"),
    )
    return max(
        planned.aggregate(all=Sum("rate"))["all"] or ZERO,
        held.aggregate(all=Sum("per_hour_glm"))["all"] or ZERO,
    )


def _lines(source: str, file_name: str) -> Source:
    """It was read without a fault before: this time only where things are."""
    lines = Source(source, file_name=file_name)
    lines.unfold(lambda path, text: text)
    return lines


__all__ = [
    "KeyForbids",
    "allowed_nodes",
    "as_json",
    "check_cost",
    "check_manifest",
    "forbade",
    "from_json",
    "limited_key",
    "must_afford",
    "must_allow",
    "must_be_its_own",
    "nodes_for",
    "permit_of",
    "policy_for",
    "why_not_more",
    "why_not_on",
    "why_not_placed",
]
