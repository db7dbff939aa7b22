"""A Compose file becomes a manifest: every notation, the defaults, and the example of the README."""

import base64
from decimal import Decimal
from pathlib import Path

import pytest

from agent.protocol import ImageSignature
from apps.deployments.manifest import Health, Manifest, ServiceSpec, parse_manifest

SIGNED = base64.b64encode(
    b'{"critical": {"image": {"docker-manifest-digest": "sha256:0"}, "type": "t"}}'
).decode()
EXAMPLE = Path(__file__).parents[2] / "examples" / "hello" / "compose.yaml"


def service(text: str, *, variables: dict[str, str] | None = None) -> ServiceSpec:
    """The service `web` with these lines below it."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return parse_manifest(f"services:\n  web:\n    image: app\n{lines}", variables=variables).services["web"]


def test_it_reads_the_example() -> None:
    manifest = parse_manifest(EXAMPLE.read_text())
    web = manifest.services["web"]
    assert manifest.name == "hello"
    assert (web.replicas, web.port, web.runtimes) == (3, 8080, ["docker", "process"])
    assert (web.cpu_threads, web.mem_gib) == (Decimal("0.25"), Decimal("0.25"))
    assert web.health == Health(kind="http", path="/health")
    assert manifest.notes == []


def test_it_survives_the_database() -> None:
    manifest = parse_manifest(EXAMPLE.read_text())
    assert Manifest.model_validate(manifest.model_dump(mode="json")) == manifest


def test_it_fills_in_defaults() -> None:
    web = service("")
    assert (web.replicas, web.port, web.health, web.runtimes) == (1, None, None, ["docker"])
    assert (web.cpu_threads, web.mem_gib, web.stop_grace_s) == (Decimal("0.5"), Decimal("0.25"), 10.0)


@pytest.mark.parametrize(
    "ports",
    [
        "ports: [8080]",
        'ports: ["8080"]',
        'ports: ["80:8080"]',
        'ports: ["127.0.0.1:80:8080/tcp"]',
        "ports: [{target: 8080, published: 80, protocol: tcp, mode: host}]",
        'expose: ["8080"]',
        'ports: ["80:8080", "443:8080"]',
    ],
)
def test_it_serves_the_port_inside_the_container(ports: str) -> None:
    web = service(ports)
    assert web.port == 8080
    assert web.health == Health(kind="tcp")


@pytest.mark.parametrize(
    ("written", "seconds"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("0.1h", 360), ("1.5s", 1.5)]
)
def test_it_reads_durations(written: str, seconds: float) -> None:
    assert service(f"stop_grace_period: {written}").stop_grace_s == seconds


@pytest.mark.parametrize(
    ("written", "gib"),
    [
        ("256M", "0.25"),
        ("1g", "1"),
        ("512mb", "0.5"),
        ("1048576k", "1"),
        ("268435456", "0.25"),
        ("1GiB", "1"),
    ],
)
def test_it_reads_sizes(written: str, gib: str) -> None:
    web = service(f"deploy: {{resources: {{limits: {{memory: {written}}}}}}}")
    assert web.mem_gib == Decimal(gib)


def test_it_rents_the_limit_else_what_is_reserved() -> None:
    reserved = "deploy: {resources: {reservations: {cpus: '2', memory: 1G}}}"
    both = "deploy: {resources: {limits: {cpus: '4'}, reservations: {cpus: '2'}}}"
    assert service(reserved).cpu_threads == 2
    assert service(both).cpu_threads == 4
    assert service("cpus: 1.5\nmem_limit: 1g").cpu_threads == Decimal("1.5")


@pytest.mark.parametrize(
    "environment",
    ["environment: {A: x, B: 1, C: true, D: 1.10}", 'environment: ["A=x", "B=1", "C=true", "D=1.10"]'],
)
def test_it_reads_the_environment_as_written(environment: str) -> None:
    assert service(environment).environment == {"A": "x", "B": "1", "C": "true", "D": "1.10"}


def test_it_splits_commands_as_a_shell_would() -> None:
    assert service("command: serve --name 'a b'").command == ["serve", "--name", "a b"]
    assert service("entrypoint: [serve, --port, 80]").entrypoint == ["serve", "--port", "80"]


@pytest.mark.parametrize(
    ("healthcheck", "expected"),
    [
        ("test: [CMD, check, me]", Health(kind="command", command=["check", "me"])),
        (
            "test: [CMD-SHELL, check || exit 1]",
            Health(kind="command", command=["/bin/sh", "-c", "check || exit 1"]),
        ),
        ("test: check me", Health(kind="command", command=["/bin/sh", "-c", "check me"])),
        ("test: [NONE]", None),
        ("disable: true", None),
        ("interval: 5s\n  retries: 9", Health(kind="tcp", interval_s=5, retries=9)),
    ],
)
def test_it_reads_health_checks(healthcheck: str, expected: Health | None) -> None:
    assert service(f"ports: [80]\nhealthcheck:\n  {healthcheck}").health == expected


def test_it_lets_the_hives_check_stand_before_composes() -> None:
    web = service("ports: [80]\nhealthcheck: {test: [CMD, x], timeout: 3s}\nx-hive: {health: {http: /up}}")
    assert web.health == Health(kind="http", path="/up", timeout_s=3)


def test_it_takes_the_top_levels_wishes_for_services_without_their_own() -> None:
    manifest = parse_manifest(
        """
        x-hive: {runtime: process, max_price_per_hour: "0.5", lease: 5m}
        services:
          a: {image: app}
          b: {image: app, x-hive: {runtime: [docker], max_price_per_hour: 0.25}}
        """
    )
    a, b = manifest.services["a"], manifest.services["b"]
    assert (a.runtimes, a.max_price_per_hour_glm, a.lease_s) == (["process"], Decimal("0.5"), 300)
    assert (b.runtimes, b.max_price_per_hour_glm, b.lease_s) == (["docker"], Decimal("0.25"), 300)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${TAG}", "1.2"),
        ("$TAG", "1.2"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${NONE:-${TAG}}", "1.2"),
        ("${TAG:+yes}", "yes"),
        ("${NONE:+yes}", ""),
        ("$$TAG", "$TAG"),
        ("a${TAG}b", "a1.2b"),
    ],
)
def test_it_fills_in_variables(written: str, value: str) -> None:
    web = service(f"environment:\n  X: {written!r}", variables={"TAG": "1.2", "EMPTY": ""})
    assert web.environment == {"X": value}


def test_it_reads_a_number_behind_a_variable() -> None:
    assert service("deploy: {replicas: '${N}'}", variables={"N": "4"}).replicas == 4
    assert service("deploy:\n  replicas: ${N:-2}").replicas == 2


def test_it_follows_anchors_merges_and_extensions() -> None:
    manifest = parse_manifest(
        """
        x-common: &common
          image: app
          environment: {A: one}
        services:
          web: {<<: *common, command: serve}
          job:
            <<: *common
            environment: {A: two}
        """
    )
    assert manifest.services["web"].environment == {"A": "one"}
    assert manifest.services["job"].environment == {"A": "two"}
    assert manifest.services["job"].image == "app"


def test_it_leaves_out_what_does_no_harm_and_says_so() -> None:
    manifest = parse_manifest(
        'version: "3.8"\nservices:\n  web:\n    image: app\n    container_name: x\n    restart: "no"\n'
        "    depends_on: [db]\n    logging: {driver: json-file}\n"
    )
    assert len(manifest.notes) == 5
    assert manifest.notes[0] == "version: left out: Compose itself no longer reads it (compose.yaml, line 1)"
    assert "services.web.depends_on: left out" in "\n".join(manifest.notes)


def test_it_needs_a_replacement_only_for_what_a_replica_is_made_of() -> None:
    before = service("deploy: {replicas: 1}")
    assert service("deploy: {replicas: 5}\nlabels: {a: b}\nx-hive: {lease: 1h}").recipe == before.recipe
    assert service("environment: {A: b}").recipe != before.recipe


def test_it_hands_signatures_and_a_read_only_disk_on_to_the_bee() -> None:
    web = service(
        f"read_only: true\nx-hive:\n  signatures:\n"
        f"    - payload: |\n        {SIGNED[:40]}\n        {SIGNED[40:]}\n      signature: aGk=\n"
    )
    workload = web.workload(runtime="docker")
    assert workload.read_only
    assert workload.signatures == [ImageSignature(payload=SIGNED, signature="aGk=")]
    assert web.recipe != service("").recipe
    assert ServiceSpec.model_validate(web.model_dump(mode="json")) == web


def test_it_reads_json_too() -> None:
    text = '{"services": {"web": {"image": "app", "environment": {"A": "\\ud83d\\udc1d"}}}}'
    assert parse_manifest(text).services["web"].environment == {"A": "🐝"}
