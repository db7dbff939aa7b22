"""The shape of a Compose file, as much of it as the Hive takes. Source: the Compose Specification,
https://github.com/compose-spec/compose-spec/blob/main/05-services.md
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    model_validator,
)

from agent.protocol import LONGEST_GRACE_S
from apps.deployments.compose import values, wishes
from apps.deployments.compose.advice import RUNTIMES, STRATEGIES
from apps.deployments.compose.budget import DEFAULT_PRIORITY, BudgetWish, level
from apps.deployments.compose.devices import Device, ReservedDevice, short
from apps.deployments.compose.section import Section
from apps.deployments.compose.wishes import Affinity, Spread

Name = Annotated[str, PlainValidator(values.name)]
Text = Annotated[str, PlainValidator(values.text)]
Threads = Annotated[Decimal, PlainValidator(values.cpu_threads)]
Gib = Annotated[Decimal, PlainValidator(values.mem_gib)]
Seconds = Annotated[float, PlainValidator(values.duration_s)]
"""May be none at all, as Compose's own start_period is."""
Words = Annotated[list[str] | None, PlainValidator(values.command)]
Figure = Annotated[float, PlainValidator(values.benchmark)]
Port = Annotated[int, PlainValidator(values.target_port)]
Pairs = Annotated[dict[str, str], PlainValidator(values.labels)]

MAX_REPLICAS = 1000
MAX_SERVICES = 100
MAX_RETRIES = 1000
MAX_SIGNATURES = 16
MIN_PACE_S, MAX_PACE_S = 0.1, 86400
"""Between two checks of a replica: more often would be a load of its own on somebody's machine."""


Switch = Annotated[bool, PlainValidator(wishes.switch)]


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise values.expected("a list", value)
    return value


class Resources(Section):
    cpus: Threads | None = None
    memory: Gib | None = None


class Reservations(Resources):
    devices: Annotated[list[ReservedDevice], BeforeValidator(_list)] = []


class ResourceLimits(Section):
    limits: Resources = Resources()
    reservations: Reservations = Reservations()

    @model_validator(mode="after")
    def _reserves_within_limits(self) -> ResourceLimits:
        for what in ("cpus", "memory"):
            limit, least = getattr(self.limits, what), getattr(self.reservations, what)
            if limit is not None and least is not None and least > limit:
                raise ValueError(f"reserves more {what} than its limit allows")
        return self


def _replicas(value: Any) -> int:
    return values.whole_number(value, least=0, most=MAX_REPLICAS)


class Deploy(Section):
    replicas: Annotated[int, PlainValidator(_replicas)] = 1
    resources: ResourceLimits = ResourceLimits()


def _test(value: Any) -> list[str] | None:
    """["CMD", ...], ["CMD-SHELL", line], ["NONE"] or a line for the shell; None turns the check off."""
    if isinstance(value, str):
        return ["/bin/sh", "-c", value]
    match value:
        case ["NONE"]:
            return None
        case ["CMD", _, *_]:
            return [values.text(word) for word in value[1:]]
        case ["CMD-SHELL", line]:
            return ["/bin/sh", "-c", values.text(line)]
    raise values.expected('a command line or a list that starts with "CMD", "CMD-SHELL" or "NONE"', value)


def _retries(value: Any) -> int:
    return values.whole_number(value, least=1, most=MAX_RETRIES)


def _pace_s(value: Any) -> float:
    pace_s = values.duration_s(value)
    if not MIN_PACE_S <= pace_s <= MAX_PACE_S:
        raise values.expected("from 100ms to 24h", value)
    return pace_s


def _grace_s(value: Any) -> float:
    grace_s = values.duration_s(value)
    if grace_s <= 0:
        raise values.expected('a duration above 0s, such as "1s"', value)
    if grace_s > LONGEST_GRACE_S:
        raise values.expected(f"at most {LONGEST_GRACE_S // 60}m", value)
    return grace_s


Pace = Annotated[float, PlainValidator(_pace_s)]


class HealthCheck(Section):
    test: Annotated[list[str] | None, PlainValidator(_test)] = None
    interval: Pace | None = None
    timeout: Pace | None = None
    retries: Annotated[int | None, PlainValidator(_retries)] = None
    start_period: Seconds | None = None
    disable: Switch = False


_PATH = 'http with a path such as "/health"'


def _check(value: Any) -> dict[str, str]:
    match value:
        case "tcp":
            return {"kind": "tcp"}
        case {"http": str(path)} if len(value) == 1:
            if values.PATH.fullmatch(path):
                return {"kind": "http", "path": path}
            raise values.expected(f'"tcp", or {_PATH} of at most 1024 visible ASCII characters', path)
    raise values.expected(f'"tcp", or {_PATH}', value)


def _runtimes(value: Any) -> list[str]:
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, list) or not wanted:
        raise values.expected("a runtime or a list of runtimes", value)
    for runtime in wanted:
        if runtime not in RUNTIMES:
            raise values.expected(f"one of {', '.join(RUNTIMES)}", runtime)
    return list(dict.fromkeys(wanted))


def _strategy(value: Any) -> str:
    if value not in STRATEGIES:
        raise values.expected(f"one of {', '.join(STRATEGIES)}", value)
    return str(value)


class Benchmarks(Section):
    """What a node must have measured of itself, at least; the round trip at most."""

    cpu: Figure | None = None
    mem_gib_s: Figure | None = None
    disk_write_mib_s: Figure | None = None
    disk_read_mib_s: Figure | None = None
    up_mbit_s: Figure | None = None
    down_mbit_s: Figure | None = None
    round_trip_ms: Figure | None = None

    @property
    def asked(self) -> dict[str, float]:
        return self.model_dump(exclude_none=True)


def _few(signatures: list[Signature]) -> list[Signature]:
    if len(signatures) > MAX_SIGNATURES:
        raise ValueError(f"expected at most {MAX_SIGNATURES} signatures, got {len(signatures)}")
    return signatures


def _lease_s(value: Any) -> float:
    lease_s = values.duration_s(value)
    if not 10 <= lease_s <= 86400:
        raise values.expected("a lease from 10s to 24h", value)
    return lease_s


class Signature(Section):
    """Somebody's word that the image is good, for Bees whose owners ask for it."""

    payload: Annotated[str, PlainValidator(values.signed_payload)]
    signature: Annotated[str, PlainValidator(values.signature)]


class HiveDefaults(Section):
    """`x-hive`, at the top of the file for every service in it, or in one service."""

    runtime: Annotated[list[str] | None, PlainValidator(_runtimes)] = None
    max_price_per_hour: Annotated[Decimal | None, PlainValidator(values.price_per_hour_glm)] = None
    max_start_price: Annotated[Decimal | None, PlainValidator(values.price_glm)] = None
    max_egress_price: Annotated[Decimal | None, PlainValidator(values.price_glm)] = None
    benchmarks: Benchmarks = Benchmarks()
    constraints: Annotated[str, PlainValidator(wishes.constraints)] = ""
    region: Annotated[list[str] | None, PlainValidator(wishes.regions)] = None
    spread: Spread | None = None
    strategy: Annotated[str | None, PlainValidator(_strategy)] = None
    lease: Annotated[float | None, PlainValidator(_lease_s)] = None


class HiveFile(HiveDefaults):
    """`x-hive` at the top of the file: what holds for all of it, too."""

    budget: BudgetWish | None = None


class Hive(HiveDefaults):
    priority: Annotated[int, PlainValidator(level)] = DEFAULT_PRIORITY
    affinity: Affinity | None = None
    health: Annotated[dict[str, str] | None, PlainValidator(_check)] = None
    host: Annotated[str | None, PlainValidator(values.host)] = None
    signatures: Annotated[list[Signature], BeforeValidator(_list), AfterValidator(_few)] = []


def _restart(value: Any) -> str:
    text = "no" if value is False else value
    if not isinstance(text, str) or text.partition(":")[0] not in {
        "no",
        "always",
        "on-failure",
        "unless-stopped",
    }:
        raise values.expected("no, always, on-failure or unless-stopped", value)
    return text


def _one(ports: list[int]) -> list[int]:
    if len(set(ports)) > 1:
        found = ", ".join(str(port) for port in dict.fromkeys(ports))
        raise ValueError(f"the edge serves one port of a service, found {found}: keep one under ports")
    return ports


class StorageOptions(Section):
    size: Annotated[Decimal | None, PlainValidator(values.storage_gib)] = None
    """The most that a replica may write, as Docker has it."""


class Service(Section):
    image: Annotated[str, PlainValidator(values.image)]
    command: Words = None
    entrypoint: Words = None
    environment: Annotated[dict[str, str], PlainValidator(values.environment)] = {}
    ports: Annotated[list[Port], BeforeValidator(_list), AfterValidator(_one)] = []
    expose: Annotated[list[Port], BeforeValidator(_list), AfterValidator(_one)] = []
    cpus: Threads | None = None
    mem_limit: Gib | None = None
    gpus: Annotated[list[Device], BeforeValidator(_list), BeforeValidator(short)] = []
    storage_opt: StorageOptions = StorageOptions()
    deploy: Deploy = Deploy()
    healthcheck: HealthCheck = HealthCheck()
    stop_grace_period: Annotated[float, PlainValidator(_grace_s)] = 10.0
    restart: Annotated[str, PlainValidator(_restart)] = "always"
    read_only: Switch = False
    labels: Pairs = {}
    hive: Hive = Field(default=Hive(), alias="x-hive")


def _so_many(services: dict[str, Service]) -> dict[str, Service]:
    replicas = sum(service.deploy.replicas for service in services.values())
    if len(services) > MAX_SERVICES or replicas > MAX_REPLICAS:
        raise ValueError(
            f"expected at most {MAX_SERVICES} services and {MAX_REPLICAS} replicas in all, "
            f"got {len(services)} and {replicas}: split the file into several deployments"
        )
    return services


class ComposeFile(Section):
    name: Name | None = None
    services: Annotated[dict[Name, Service], AfterValidator(_so_many)] = Field(min_length=1)
    hive: HiveFile = Field(default=HiveFile(), alias="x-hive")


SECTIONS: list[tuple[tuple[str, ...], type[Section]]] = [
    ((), ComposeFile),
    (("x-hive",), HiveFile),
    (("x-hive", "budget"), BudgetWish),
    (("x-hive", "benchmarks"), Benchmarks),
    (("x-hive", "spread"), Spread),
    (("services", "*"), Service),
    (("services", "*", "x-hive"), Hive),
    (("services", "*", "x-hive", "benchmarks"), Benchmarks),
    (("services", "*", "x-hive", "spread"), Spread),
    (("services", "*", "x-hive", "affinity"), Affinity),
    (("services", "*", "x-hive", "signatures", "*"), Signature),
    (("services", "*", "deploy"), Deploy),
    (("services", "*", "deploy", "resources"), ResourceLimits),
    (("services", "*", "deploy", "resources", "limits"), Resources),
    (("services", "*", "deploy", "resources", "reservations"), Reservations),
    (("services", "*", "deploy", "resources", "reservations", "devices", "*"), ReservedDevice),
    (("services", "*", "gpus", "*"), Device),
    (("services", "*", "storage_opt"), StorageOptions),
    (("services", "*", "healthcheck"), HealthCheck),
]
"""Which section stands where; `*` is any name. For suggestions."""


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand in the map at this place."""
    for pattern, section in SECTIONS:
        if len(pattern) == len(path) and all(
            want in {"*", got} for want, got in zip(pattern, path, strict=True)
        ):
            return [field.alias or name for name, field in section.model_fields.items()]
    return []
