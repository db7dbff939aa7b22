"""What a team wants to run: the Compose file without its notations, defaults filled in, units fixed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.protocol import LONGEST_GRACE_S, HealthCheck, ImageSignature, Permit, Workload
from apps.deployments.compose import file as compose
from apps.deployments.compose.advice import set_aside
from apps.deployments.compose.affinity import Affinity, fault_of_affinity
from apps.deployments.compose.budget import DEFAULT_PRIORITY
from apps.deployments.compose.explain import explain
from apps.deployments.compose.interpolation import InterpolationError, interpolate
from apps.deployments.compose.notes import notes_on
from apps.deployments.compose.problems import ManifestError, Path, Problem, place_of
from apps.deployments.compose.source import MAX_UNFOLDED, Source
from apps.market.filters.parse import parse, together
from apps.market.filters.problems import FilterError

__all__ = ["BudgetAsked", "Health", "Manifest", "ManifestError", "Problem", "ServiceSpec", "parse_manifest"]

DEFAULT_CPU_THREADS = Decimal("0.5")
DEFAULT_MEM_GIB = Decimal("0.25")
MAX_SPEC_BYTES = 64 * 1024
"""Of one service as JSON: a Bee is told of all its replicas in one frame (`protocol.MAX_FRAME_BYTES`)."""


class Health(BaseModel):
    """How a replica is found healthy; see `agent.protocol.HealthCheck`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    path: str = "/"
    command: list[str] = []
    interval_s: float = 2.0
    timeout_s: float = 2.0
    retries: int = 3
    start_period_s: float = 0.0


class Signature(BaseModel):
    """See `agent.protocol.ImageSignature`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    payload: str
    signature: str


class BudgetAsked(BaseModel):
    """What the file says of its cap; None and "" are not said. See `apps.billing.budgets.cap`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    glm: Decimal | None = None
    per: str | None = None
    at_end: str = ""


class ServiceSpec(BaseModel):
    """One service, ready to be placed. Kept as JSON in `Service.spec` and `Replica.spec`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str
    command: list[str] | None = None
    entrypoint: list[str] | None = None
    environment: dict[str, str] = {}
    port: int | None = None
    health: Health | None = None
    stop_grace_s: float = 10.0
    read_only: bool = False
    signatures: list[Signature] = []
    cpu_threads: Decimal = DEFAULT_CPU_THREADS
    mem_gib: Decimal = DEFAULT_MEM_GIB
    storage_gib: Decimal = Decimal(0)
    gpus: int = 0
    runtimes: list[str] = ["docker"]
    replicas: int = 1
    max_price_per_hour_glm: Decimal | None = None
    max_start_glm: Decimal | None = None
    max_egress_gib_glm: Decimal | None = None
    benchmarks: dict[str, float] = {}
    constraints: str = ""
    regions: list[str] = []
    spread: str = "node"
    spread_required: bool = False
    affinity: Affinity | None = None
    strategy: str = "cheapest"
    lease_s: float | None = None
    priority: int = DEFAULT_PRIORITY
    host: str | None = None
    labels: dict[str, str] = {}

    @property
    def recipe(self) -> dict[str, Any]:
        """What a running replica was made from: when this differs, it has to be replaced.

        So are what a place must be, `constraints` and `regions`: they hold for every replica, not for later
        ones alone. Which of many good places is the best matters when one is sought.
        """
        elsewhere = {
            "replicas",
            "max_price_per_hour_glm",
            "max_start_glm",
            "max_egress_gib_glm",
            "benchmarks",
            "spread",
            "spread_required",
            "affinity",
            "strategy",
            "lease_s",
            "priority",
            "host",
            "labels",
        }
        return self.model_dump(mode="json", exclude=elsewhere)

    def workload(self, *, runtime: str, permit: Permit | None = None) -> Workload:
        """The part that a Bee needs, for the runtime that was agreed; `permit` is that of the key."""
        return Workload(
            image=self.image,
            runtime=runtime,
            cpu_threads=self.cpu_threads,
            mem_gib=self.mem_gib,
            command=self.command,
            entrypoint=self.entrypoint,
            environment=self.environment,
            port=self.port,
            health=HealthCheck(**self.health.model_dump()) if self.health else None,
            stop_grace_s=min(self.stop_grace_s, LONGEST_GRACE_S),
            read_only=self.read_only,
            signatures=[ImageSignature(**each.model_dump()) for each in self.signatures],
            storage_gib=self.storage_gib,
            gpus=self.gpus,
            permit=permit,
        )


class Manifest(BaseModel):
    """A whole Compose file. `notes` name what was left out of it, and why that does no harm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None
    services: dict[str, ServiceSpec]
    notes: list[str] = []
    budget: BudgetAsked | None = None


def parse_manifest(
    text: str, *, file_name: str = "compose.yaml", variables: Mapping[str, str] | None = None
) -> Manifest:
    """Understand a Compose file; `variables` are what `${NAME}` in it stands for.

    Raises:
        ManifestError: with every problem found, each with its place and line.
    """
    source = Source(text, file_name=file_name)
    root, notes = set_aside(source.unfold(_filler(source, variables or {})))
    if root is None:
        raise source.refusal("the file is empty: name what should run under services")
    file = _checked(root, source)
    if file is None or source.problems:
        raise ManifestError(source.problems)
    services = {name: _spec(service, file.hive) for name, service in file.services.items()}
    _check_ports(services, source)
    _check_affinities(services, source)
    _check_constraints(services, source)
    _check_sizes(services, source)
    return Manifest(
        name=file.name,
        services=services,
        notes=[_note(source, path, message) for path, message in notes + notes_on(file)],
        budget=BudgetAsked(**file.hive.budget.model_dump()) if file.hive.budget else None,
    )


def _filler(source: Source, variables: Mapping[str, str]) -> Any:
    longest = max(map(len, variables.values()), default=0)

    def fill_in(path: Path, text: str) -> str:
        # Seen before it is filled in: a thousand times a thousand characters need no room in memory.
        if len(text) + text.count("$") * longest > MAX_UNFOLDED:
            source.add(path, f"its variables may fill it to more than {MAX_UNFOLDED // 1024} KiB: use fewer")
            return text
        try:
            return interpolate(text, variables)
        except InterpolationError as error:
            source.add(path, str(error))
            return text

    return fill_in


def _checked(root: Any, source: Source) -> compose.ComposeFile | None:
    try:
        return compose.ComposeFile.model_validate(root)
    except ValidationError as error:
        explain(error, source)
        return None


def _check_ports(services: Mapping[str, ServiceSpec], source: Source) -> None:
    for name, spec in services.items():
        if spec.port and "wasm" in spec.runtimes:
            path = ("services", name, "ports")
            source.add(path, "a wasm module has no network: take the port out, or wasm out of x-hive.runtime")


def _check_affinities(services: Mapping[str, ServiceSpec], source: Source) -> None:
    affinities = {name: spec.affinity for name, spec in services.items()}
    for name in services:
        if fault := fault_of_affinity(name, affinities):
            source.add(("services", name, "x-hive", "affinity"), fault)


def _check_constraints(services: Mapping[str, ServiceSpec], source: Source) -> None:
    """Each part has been read; together with those of the whole file they may be too many."""
    for name, spec in services.items():
        try:
            parse(spec.constraints)
        except FilterError as error:
            path = ("services", name, "x-hive", "constraints")
            source.add(path, f"together with those of the whole file: {error}")


def _check_sizes(services: Mapping[str, ServiceSpec], source: Source) -> None:
    for name, spec in services.items():
        if (size := len(spec.model_dump_json().encode())) > MAX_SPEC_BYTES:
            source.add(
                ("services", name),
                f"takes {size} bytes with its environment, commands and labels, expected at most "
                f"{MAX_SPEC_BYTES}: put large values into the image",
            )
    if source.problems:
        raise ManifestError(source.problems)


def _note(source: Source, path: Path, message: str) -> str:
    return str(Problem(place_of(path), source.line_of(path), message, source.file_name))


def _spec(service: compose.Service, defaults: compose.HiveDefaults) -> ServiceSpec:
    hive, limits, reserved = (
        service.hive,
        service.deploy.resources.limits,
        service.deploy.resources.reservations,
    )
    port = next(iter(service.ports or service.expose), None)
    return ServiceSpec(
        image=service.image,
        command=service.command,
        entrypoint=service.entrypoint,
        environment=service.environment,
        port=port,
        health=_health(service, port),
        stop_grace_s=service.stop_grace_period,
        read_only=service.read_only,
        signatures=[Signature(**each.model_dump()) for each in hive.signatures],
        # What may be used is what is rented: the limit, else what is reserved.
        cpu_threads=limits.cpus or reserved.cpus or service.cpus or DEFAULT_CPU_THREADS,
        mem_gib=limits.memory or reserved.memory or service.mem_limit or DEFAULT_MEM_GIB,
        storage_gib=service.storage_opt.size or Decimal(0),
        gpus=sum(device.count for device in reserved.devices or service.gpus),
        runtimes=hive.runtime or defaults.runtime or ["docker"],
        replicas=service.deploy.replicas,
        max_price_per_hour_glm=hive.max_price_per_hour or defaults.max_price_per_hour,
        max_start_glm=hive.max_start_price or defaults.max_start_price,
        max_egress_gib_glm=hive.max_egress_price or defaults.max_egress_price,
        benchmarks=defaults.benchmarks.asked | hive.benchmarks.asked,
        constraints=together([defaults.constraints, hive.constraints]),
        regions=hive.region or defaults.region or [],
        **_lie(hive, defaults),
        strategy=hive.strategy or defaults.strategy or "cheapest",
        lease_s=hive.lease or defaults.lease,
        priority=hive.priority,
        host=hive.host,
        labels=service.labels,
    )


def _lie(hive: compose.Hive, defaults: compose.HiveDefaults) -> dict[str, Any]:
    """How replicas lie to each other, and to those of another service."""
    spread = hive.spread or defaults.spread or compose.Spread()
    return {
        "spread": spread.by,
        "spread_required": spread.required,
        "affinity": Affinity(**hive.affinity.model_dump()) if hive.affinity else None,
    }


def _health(service: compose.Service, port: int | None) -> Health | None:
    """x-hive's check, else Compose's command, else whether the port answers, else none: it runs."""
    check = service.healthcheck
    pace = {
        "interval_s": check.interval,
        "timeout_s": check.timeout,
        "retries": check.retries,
        "start_period_s": check.start_period,
    }
    given: dict[str, Any] = {name: value for name, value in pace.items() if value is not None}
    if service.hive.health:
        return Health.model_validate(service.hive.health | given)
    if check.disable or ("test" in check.model_fields_set and check.test is None):
        return None
    if check.test:
        return Health(kind="command", command=check.test, **given)
    return Health(kind="tcp", **given) if port else None
