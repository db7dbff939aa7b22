"""Plans: what a Compose file would place where, at which price, against which budget; signed, for minutes.

A plan reserves nothing. One that can't be met in full is still a plan, and says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from apps.billing.budgets.capping import must_leave_counted
from apps.billing.models import BudgetCap
from apps.deployments import keyed
from apps.deployments.compose import values
from apps.deployments.hosts import host_of
from apps.deployments.manifest import Manifest, ManifestError, Problem, ServiceSpec, parse_manifest
from apps.deployments.models import Deployment, Plan, Service, Wanted
from apps.deployments.plans.placing import Placement, placements_of, spots_of
from apps.deployments.plans.reckoning import effect_of
from apps.deployments.plans.risks import risks_of
from apps.deployments.plans.signing import sign
from apps.money import ZERO, round_glm
from apps.teams.models import ApiToken, Team, User

INTERRUPTED = (
    "with one replica this change interrupts it until the new one is healthy; two or more take turns"
)


def draw_up_plan(
    *,
    team: Team,
    author: User,
    name: str | None = None,
    source: str,
    file_name: str = "compose.yaml",
    variables: Mapping[str, str] | None = None,
    key: ApiToken | None = None,
) -> Plan:
    """Understand the file, ask the market, sign the result. `name` stands before the file's own.

    `variables` are what `${NAME}` in the file stands for; `key` is the token that asks.

    Raises ManifestError with all that is wrong with the file, KeyForbids with what the key does not allow.
    """
    manifest = parse_manifest(source, file_name=file_name, variables=variables)
    name = _name(name or manifest.name, file_name=file_name)
    _check_hosts(manifest, team=team, name=name, file_name=file_name)
    _check_budget(manifest, team=team, name=name, file_name=file_name)
    keyed.check_manifest(key, manifest, team=team, name=name, source=source, file_name=file_name)
    placements = placements_of(manifest, team=team, name=name, allowed_nodes=keyed.allowed_nodes(key))
    manifest = _warned(manifest, team=team, name=name, file_name=file_name)
    now = timezone.now()
    plan = Plan(
        team=team,
        author=author,
        name=name,
        source=source,
        manifest=manifest.model_dump(mode="json"),
        placements=placements,
        risks=[risk.as_json() for risk in risks_of(spots_of(placements))],
        price_per_hour_glm=_together(placements),
        created_at=now,
        expires_at=now + timedelta(seconds=settings.HIVE_PLAN_VALID_S),
        key=key,
    )
    plan.effect = effect_of(plan).as_json()
    keyed.check_cost(key, plan, file_name=file_name)
    plan.signature = sign(plan)
    plan.save()
    return plan


def _together(placements: list[Placement]) -> Decimal:
    return round_glm(sum((Decimal(one["price_per_hour_glm"] or 0) for one in placements), ZERO))


def _name(name: str | None, *, file_name: str) -> str:
    if not name:
        message = "missing: name the deployment, for example name: hello at the top of the file"
        raise ManifestError([Problem("name", None, message, file_name)])
    try:
        return values.name(name)
    except ValueError as error:
        raise ManifestError([Problem("name", None, str(error), file_name)]) from None


def _check_hosts(manifest: Manifest, *, team: Team, name: str, file_name: str) -> None:
    problems = []
    for service, spec in manifest.services.items():
        try:
            host_of(spec, service=service, deployment=name, team=team)
        except ValueError as error:
            problems.append(Problem(f"services.{service}.x-hive.host", None, str(error), file_name))
    if problems:
        raise ManifestError(problems)


def _check_budget(manifest: Manifest, *, team: Team, name: str, file_name: str) -> None:
    """A cap below what the deployment has spent or holds already could not be set when it is applied."""
    asked = manifest.budget
    own = Deployment.objects.filter(team=team, name=name)
    cap = BudgetCap.objects.select_related("budget").filter(pk__in=own.values("cap")).first()
    if asked is None or cap is None:
        return
    try:
        must_leave_counted(cap, limit_glm=asked.glm, per=asked.per or cap.per)
    except ValueError as error:
        raise ManifestError([Problem("x-hive.budget", None, str(error), file_name)]) from None


def _warned(manifest: Manifest, *, team: Team, name: str, file_name: str) -> Manifest:
    """With a note on each service that applying the plan would interrupt."""
    running = Service.objects.filter(
        deployment__team=team,
        deployment__name=name,
        deployment__wanted=Wanted.RUNNING,
        name__in=manifest.services,
        replicas_wanted__gt=0,
    )
    notes = [
        str(Problem(f"services.{service.name}.deploy.replicas", None, INTERRUPTED, file_name))
        for service in running
        if _is_interrupted(service.wants, manifest.services[service.name])
    ]
    return manifest.model_copy(update={"notes": [*manifest.notes, *notes]})


def _is_interrupted(before: ServiceSpec, after: ServiceSpec) -> bool:
    """The others serve while one is replaced, where there are others."""
    return after.port is not None and after.replicas == 1 and before.recipe != after.recipe
