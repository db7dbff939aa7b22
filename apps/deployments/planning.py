"""Plans: what a Compose file would place where, at which price, against which budget; signed, for minutes.

A plan reserves nothing. One that can't be met in full is still a plan, and says what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.signing import Signer
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.deployments.compose import values
from apps.deployments.hosts import host_of
from apps.deployments.manifest import Manifest, ManifestError, Problem, ServiceSpec, parse_manifest
from apps.deployments.models import Plan, Service, Wanted
from apps.market.matching import Need
from apps.market.quotes import Quote, quotes_together
from apps.money import ZERO
from apps.teams.models import Team, User

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
) -> Plan:
    """Understand the file, ask the market, sign the result. `name` stands before the file's own.

    `variables` are what `${NAME}` in the file stands for.

    Raises ManifestError with all that is wrong with the file.
    """
    manifest = parse_manifest(source, file_name=file_name, variables=variables)
    name = _name(name or manifest.name, file_name=file_name)
    _check_hosts(manifest, team=team, name=name, file_name=file_name)
    placements = _placements(manifest)
    manifest = _warned(manifest, team=team, name=name, file_name=file_name)
    now = timezone.now()
    plan = Plan(
        team=team,
        author=author,
        name=name,
        source=source,
        manifest=manifest.model_dump(mode="json"),
        placements=placements,
        price_per_hour_glm=sum((Decimal(one["price_per_hour_glm"] or 0) for one in placements), ZERO),
        created_at=now,
        expires_at=now + timedelta(seconds=settings.HIVE_PLAN_VALID_S),
    )
    plan.signature = sign(plan)
    plan.save()
    return plan


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


def _placements(manifest: Manifest) -> list[dict[str, Any]]:
    """One for each replica. All services are quoted together: none is promised another's room."""
    needs = [(_need(spec), spec.replicas) for spec in manifest.services.values()]
    return [
        _placement(f"{service}-{index}", service, quote)
        for service, found in zip(manifest.services, quotes_together(needs), strict=True)
        for index, quote in enumerate(found, start=1)
    ]


def _need(spec: ServiceSpec) -> Need:
    return Need(
        runtimes=spec.runtimes,
        cpu_threads=spec.cpu_threads,
        mem_gib=spec.mem_gib,
        max_price_per_hour_glm=spec.max_price_per_hour_glm,
        benchmarks=spec.benchmarks,
        strategy=spec.strategy,
    )


def _placement(replica: str, service: str, quote: Quote) -> dict[str, Any]:
    price = quote.price_per_hour_glm
    return {
        "replica": replica,
        "service": service,
        "node_id": quote.node_id,
        "offer_id": quote.offer_id,
        "price_per_hour_glm": None if price is None else f"{price:f}",
        "reason": quote.reason,
    }


def sign(plan: Plan) -> str:
    """The Queen's word for what the plan says, and until when."""
    return Signer(salt="hive.plan").signature(_content(plan))


def is_signed(plan: Plan) -> bool:
    return constant_time_compare(plan.signature, sign(plan))


def _content(plan: Plan) -> str:
    said = {
        "id": str(plan.id),
        "team": plan.team_id,
        "name": plan.name,
        "source": hashlib.sha256(plan.source.encode()).hexdigest(),
        "manifest": plan.manifest,
        "placements": plan.placements,
        "expires_at": _instant(plan.expires_at),
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def _instant(at: datetime) -> str:
    return f"{at.timestamp():.6f}"
