"""From a plan to what is wanted: services and their replicas. All the rest follows by reconciling."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from apps.billing.budgets.capping import change_cap
from apps.billing.budgets.opening import open_budget
from apps.deployments import keyed
from apps.deployments.acting import begin, placement_deadline
from apps.deployments.compose.file import MAX_REPLICAS
from apps.deployments.ends.moving import begin_anew, forget_needed, has_ended
from apps.deployments.hosts import host_of
from apps.deployments.live import announce
from apps.deployments.manifest import BudgetAsked, Manifest, ServiceSpec
from apps.deployments.models import Deployment, Plan, Service, Wanted
from apps.deployments.planned import remember
from apps.deployments.plans.signing import is_signed
from apps.deployments.reconcile import PROMISED_FIRST, wake
from apps.deployments.replicas import Replica, ReplicaState
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import ApiToken


class PlanRefused(ValueError):
    """A plan that can't be applied; its text says why."""


class PlanExpired(PlanRefused):
    """Its time is over: prices may have changed since."""


class PlanOvertaken(PlanRefused):
    """Another plan was applied after this one was drawn up, so what it would change is no longer there."""


@transaction.atomic
def apply_plan(plan: Plan, *, actor: Actor, key: ApiToken | None = None) -> Deployment:
    """Make or change the deployment of the plan's name. Applying the same plan twice is applying it once.

    `key` is the token it came with. Raises PlanExpired, PlanOvertaken, PlanRefused for a plan that was
    tampered with or whose host name is taken, and KeyForbids for what its key does not allow.
    """
    plan = Plan.objects.select_for_update().get(pk=plan.pk)
    if not is_signed(plan):
        raise PlanRefused("the plan's signature doesn't fit: draw up a new one")
    if plan.deployment is not None:
        keyed.must_be_its_own(plan, key)
        return plan.deployment
    if plan.expires_at <= timezone.now():
        raise PlanExpired(f"the plan expired at {plan.expires_at:%H:%M:%S} UTC: draw up a new one")
    keyed.must_allow(plan, key)
    deployment, is_new = _deployment(plan, key)
    _must_be_the_newest(plan, deployment)
    _sync(deployment, Manifest.model_validate(plan.manifest))
    plan.deployment, plan.applied_at = deployment, timezone.now()
    plan.save(update_fields=["deployment", "applied_at"])
    after = "created" if is_new else "changed"
    AuditLine.write(deployment, before="", after=after, actor=actor, reason=f"{plan} applied")
    settle(deployment)
    remember(plan, deployment)
    _cap(deployment, Manifest.model_validate(plan.manifest).budget, actor=actor)
    begin_anew(deployment, actor=actor, reason=f"{plan} applied")
    keyed.must_afford(plan, key)
    return deployment


def _must_be_the_newest(plan: Plan, deployment: Deployment) -> None:
    """Under the deployment's lock, so that of two plans at once the second to come sees the first."""
    newer = deployment.plans.filter(applied_at__gt=plan.created_at).order_by("-applied_at").first()
    if newer is not None:
        raise PlanOvertaken(
            f"{newer} was applied at {newer.applied_at:%H:%M:%S} UTC, after this one was drawn up: "
            "draw up a new one to change what runs now"
        )


def _deployment(plan: Plan, key: ApiToken | None) -> tuple[Deployment, bool]:
    said = {"manifest": plan.manifest, "source": plan.source, "wanted": Wanted.RUNNING, "key": key}
    return Deployment.objects.select_for_update().update_or_create(
        team=plan.team,
        name=plan.name,
        defaults=said,
        create_defaults=said | {"budget": open_budget(plan.team), "created_by": plan.author},
    )


def _cap(deployment: Deployment, asked: BudgetAsked | None, *, actor: Actor) -> None:
    """As the file says; what it does not say stays. Its lock comes after those on replicas, as everywhere."""
    if asked is None:
        return
    cap = deployment.cap
    limit_glm, per = asked.glm or cap.limit_glm, asked.per or cap.per
    try:
        change_cap(cap, limit_glm=limit_glm, per=per, at_end=asked.at_end or cap.at_end, actor=actor)
    except ValueError as error:
        raise PlanRefused(f"x-hive.budget: {error}") from None


def _sync(deployment: Deployment, manifest: Manifest) -> None:
    """Services as in the manifest; those that left it want no replicas and give their host name back."""
    gone = deployment.services.exclude(name__in=manifest.services)
    gone.update(replicas_wanted=0, host=None, **taken_of(0))
    for name, spec in manifest.services.items():
        _sync_service(deployment, name, spec)


def _sync_service(deployment: Deployment, name: str, spec: ServiceSpec) -> None:
    try:
        with transaction.atomic():
            host = host_of(spec, service=name, deployment=deployment.name, team=deployment.team)
            Service.objects.update_or_create(
                deployment=deployment,
                name=name,
                defaults={
                    "spec": spec.model_dump(mode="json"),
                    "replicas_wanted": spec.replicas,
                    "host": host,
                    **taken_of(0),
                },
            )
    except (ValueError, IntegrityError) as error:
        why = str(error) if isinstance(error, ValueError) else f"{spec.host} is taken by another service"
        raise PlanRefused(f"services.{name}.x-hive.host: {why}") from None


def stop(deployment: Deployment, *, actor: Actor, reason: str) -> None:
    """Want nothing of it to run; its Bees stop it, its agreements end."""
    _want(deployment, Wanted.STOPPED, actor=actor, reason=reason)


def start(deployment: Deployment, *, actor: Actor, reason: str) -> None:
    """Want its services to run; also gives replicas that had failed another try."""
    _want(deployment, Wanted.RUNNING, actor=actor, reason=reason)


@transaction.atomic
def _want(deployment: Deployment, wanted: str, *, actor: Actor, reason: str) -> None:
    before = Deployment.objects.select_for_update().get(pk=deployment.pk).wanted
    Deployment.objects.filter(pk=deployment.pk).update(wanted=wanted)
    deployment.wanted = wanted
    AuditLine.write(deployment, before=before, after=wanted, actor=actor, reason=reason)
    settle(deployment)
    if wanted == Wanted.RUNNING:
        begin_anew(deployment, actor=actor, reason=reason)
    else:
        has_ended(deployment, actor=actor, reason=reason)


@transaction.atomic
def scale(service: Service, replicas: int, *, actor: Actor, why: str = "", taken: int = 0) -> None:
    """Want so many replicas of a service; `why` is for the audit trail.

    Whoever scales has the last word; only who takes for want of money has `taken` more come back with it.

    Raises ValueError for less than 0 and more than `MAX_REPLICAS`.
    """
    if not 0 <= replicas <= MAX_REPLICAS:
        raise ValueError(f"replicas: expected from 0 to {MAX_REPLICAS}, got {replicas}")
    locked = Service.objects.select_for_update().get(pk=service.pk)
    before = locked.replicas_wanted
    gone = taken_of(taken, actor=actor, before=locked)
    Service.objects.filter(pk=service.pk).update(replicas_wanted=replicas, **gone)
    service.refresh_from_db(fields=["replicas_wanted", "taken", "taken_at", "taken_by"])
    reason = f"scaled from {before} to {replicas} replicas{why and f', {why}'}"[:500]
    AuditLine.write(service, before=str(before), after=str(replicas), actor=actor, reason=reason)
    settle(service.deployment)
    if not taken:
        forget_needed(service.deployment)


def taken_of(taken: int, *, actor: Actor | None = None, before: Service | None = None) -> dict[str, Any]:
    """What a service remembers of replicas that were let go for want of money; of none, nothing.

    Where some of them come back, the others are gone since when they were.
    """
    if not taken:
        return {"taken": 0, "taken_at": None, "taken_by": ""}
    if before is not None and taken <= before.taken:
        return {"taken": taken}
    return {"taken": taken, "taken_at": timezone.now(), "taken_by": str(actor)[:80]}


def try_again(deployment: Deployment, *, reason: str) -> None:
    """Give what waits or had failed its whole time once more, as if it were wanted anew."""
    now = timezone.now()
    rows = Replica.objects.filter(service__deployment=deployment, index__lte=F("service__replicas_wanted"))
    waiting = rows.filter(state=ReplicaState.PENDING).select_related("service")
    for replica in waiting.select_for_update(of=("self",)).order_by("pk"):
        begin(replica, reason=reason, now=now)
    settle(deployment)


def settle(deployment: Deployment) -> None:
    """Give every wanted slot a replica, those that had failed another try, and have all of them looked at."""
    now = timezone.now()
    for service in deployment.services.all():
        there = {replica.index: replica for replica in service.replicas.select_for_update().order_by("pk")}
        missing = [
            Replica(
                service=service,
                index=index,
                spec=service.spec,
                reason="wanted",
                deadline_at=placement_deadline(now),
            )
            for index in range(1, service.replicas_wanted + 1)
            if index not in there
        ]
        Replica.objects.bulk_create(missing)
        for replica in there.values():
            if replica.state == ReplicaState.FAILED and deployment.wanted == Wanted.RUNNING:
                replica.service = service
                begin(replica, reason="another try", now=now)
    replicas = Replica.objects.filter(service__deployment=deployment).order_by(PROMISED_FIRST, "pk")
    wake(list(replicas.values_list("pk", flat=True)))
    announce(deployment.pk)
