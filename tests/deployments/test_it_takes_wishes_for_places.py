"""What a Compose file may ask of the market: sizes, constraints, regions, spread, strategy; and a budget."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from apps.deployments.compose.file import Hive, HiveFile
from apps.deployments.manifest import Manifest, ManifestError, ServiceSpec, parse_manifest
from apps.deployments.needs import need_of
from apps.market.filters.parse import parse
from apps.market.needs import Affinity, Need

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "market" / "compose.yaml"
PAPER = ROOT / "docs" / "market.md"


def manifest(below_web: str, *, top: str = "") -> Manifest:
    lines = "".join(f"    {line}\n" for line in below_web.splitlines())
    return parse_manifest(f"{top}services:\n  db: {{image: db}}\n  web:\n    image: app\n{lines}")


def web(below: str, *, top: str = "") -> ServiceSpec:
    return manifest(below, top=top).services["web"]


def need(spec: ServiceSpec) -> Need:
    return need_of(spec, group="service:1", group_of=lambda name: f"the {name}")


def problem(below: str) -> str:
    with pytest.raises(ManifestError) as caught:
        manifest(below)
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


def test_it_understands_the_example() -> None:
    found = parse_manifest(EXAMPLE.read_text())
    assert Manifest.model_validate(found.model_dump(mode="json")) == found
    assert found.notes == []
    web, db, train = (found.services[name] for name in ("web", "db", "train"))
    assert (web.spread, web.spread_required, web.strategy) == ("owner", True, "best_value")
    assert (web.regions, web.storage_gib) == (["eu-*"], Decimal(2))
    assert (db.affinity, web.affinity and web.affinity.service) == (None, "db")
    assert (train.gpus, train.regions, train.strategy) == (2, ["us-east", "us-west"], "cheapest")
    assert parse(train.constraints) == parse(
        "(&(golem.inf.cpu.architecture=x86_64)(&(golem.runtime.version$v>=1.2)(!(hive.owner=mallory))))"
    )
    assert (web.priority, train.priority) == (500, 100)
    _is_capped(found)


def test_it_understands_the_example_of_its_paper() -> None:
    [written] = re.findall(r"```yaml\n(.*?)```", PAPER.read_text(), re.DOTALL)
    found = parse_manifest(written)
    assert found.notes == []
    assert {name: spec.priority for name, spec in found.services.items()} == {"web": 500, "worker": 10}
    _is_capped(found)


def _is_capped(found: Manifest) -> None:
    assert found.budget is not None
    assert (found.budget.glm, found.budget.per, found.budget.at_end) == (50, "month", "scale-down")


def test_its_paper_tells_all_that_may_be_asked_of_the_market() -> None:
    of_the_service_itself = {"health", "host", "lease", "signatures"}
    asked = {*HiveFile.model_fields, *Hive.model_fields} - of_the_service_itself
    told = PAPER.read_text()
    assert [name for name in sorted(asked) if f"`x-hive.{name}`" not in told] == []


@pytest.mark.parametrize(
    "written",
    [
        "gpus: 2",
        'gpus: "2"',
        "gpus: [{count: 2}]",
        "gpus: [{driver: nvidia, count: 2}]",
        "gpus: [{count: 1}, {count: 1, capabilities: [gpu, compute]}]",
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}",
        "deploy: {resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu], count: 2}]}}}",
    ],
)
def test_it_counts_gpus_however_compose_writes_them(written: str) -> None:
    assert web(written).gpus == 2


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("gpus: all", "say how many"),
        ("gpus: -1", "say how many"),
        ("gpus: 0", "expected from 1 to 1024, got 0"),
        ("gpus: [{}]", "services.web.gpus[0].count: missing"),
        ("gpus: [{count: 1, device_ids: ['0']}]", "write count"),
        ("gpus: [{count: 1, driver: amd}]", 'expected nvidia, got "amd"'),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [tpu], count: 1}]}}}",
            "devices[0].capabilities: expected a list with gpu in it",
        ),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: all}]}}}",
            "services.web.deploy.resources.reservations.devices[0].count: say how many",
        ),
        ("deploy: {resources: {limits: {devices: []}}}", "write devices under reservations"),
        ("devices: [/dev/sda]", "no other devices can be rented"),
        ("storage_opt: {size: much}", 'storage_opt.size: expected a size such as "256M" or "2G", got "much"'),
        ("storage_opt: {size: 1M}", "expected between 16M and 512T, got"),
        ("storage_opt: {sise: 1G}", 'did you mean "size"?'),
        ("x-hive: {region: Europe}", 'expected a region such as "eu-central" or "eu-*", got "Europe"'),
        ("x-hive: {region: eu-centrl}", 'no region is called "eu-centrl": did you mean "eu-central"?'),
        ("x-hive: {region: mars}", 'no region is called "mars": there are '),
        ("x-hive: {region: []}", "or a list of them, got a list"),
        ("x-hive: {spread: far}", 'x-hive.spread.by: expected one of node, owner, region, got "far"'),
        ("x-hive: {spread: {by: owner, requird: true}}", 'unknown key; did you mean "required"?'),
        ("x-hive: {spread: {required: 1}}", "x-hive.spread.required: expected true or false, got 1"),
        ("x-hive: {affinity: dbs}", 'no service is called "dbs"; did you mean "db"?'),
        ("x-hive: {affinity: web}", "a service can't be near itself"),
        ("x-hive: {affinity: {by: owner}}", "services.web.x-hive.affinity.service: missing"),
        ("x-hive: {strategy: fastest}", "expected one of cheapest, best_value, spread, nearest"),
        (
            "x-hive: {constraints: 7}",
            'expected a filter such as "(golem.inf.cpu.architecture=x86_64)", got 7',
        ),
    ],
)
def test_it_says_what_cannot_be_asked(written: str, message: str) -> None:
    assert message in problem(written)


def test_it_names_the_position_in_a_filter_and_the_line_in_the_file() -> None:
    told = problem('x-hive:\n  constraints: "(&(golem.inf.mem.gib>4)(hive.region))"')
    assert told == (
        'services.web.x-hive.constraints: at position 36: expected one of = != >= <= > <, found ")" '
        "((&(golem.inf.mem.gib>4)(hive.region <-- here ))) (compose.yaml, line 6)"
    )


def test_it_tells_slips_in_a_filter_as_notes() -> None:
    notes = manifest('x-hive: {constraints: "(golem.inf.cpu.tread>=4)"}').notes
    assert notes == [
        "services.web.x-hive.constraints: no offer is known to say golem.inf.cpu.tread; "
        "did you mean golem.inf.cpu.threads? (compose.yaml, line 5)"
    ]


def test_it_takes_every_filter_and_else_the_nearest_wish() -> None:
    top = 'x-hive: {constraints: "(a=1)", region: eu-*, spread: owner}\n'
    own = web('x-hive: {constraints: ["(b=2)", "(c=3)"], region: [us-east, us-*], spread: region}', top=top)
    assert parse(own.constraints) == parse("(&(a=1)(&(b=2)(c=3)))")
    assert (own.regions, own.spread, own.spread_required) == (["us-east", "us-*"], "region", False)
    inherited = web("", top=top)
    assert (inherited.constraints, inherited.regions, inherited.spread) == ("(a=1)", ["eu-*"], "owner")


def test_it_counts_the_filters_of_the_whole_file_in() -> None:
    half = f'x-hive: {{constraints: "(&{"(a=1)" * 60})"}}'
    with pytest.raises(ManifestError) as caught:
        manifest(half, top=f"{half}\n")
    told = str(caught.value.problems[0])
    assert "constraints: together with those of the whole file: at position" in told
    assert "more than 100 brackets" in told


def test_it_refuses_services_that_would_wait_for_each_other() -> None:
    ring = (
        "services:\n"
        "  a: {image: a, x-hive: {affinity: {service: b, required: true}}}\n"
        "  b: {image: b, x-hive: {affinity: {service: c, required: true}}}\n"
        "  c: {image: c, x-hive: {affinity: {service: a, required: %s}}}\n"
    )
    with pytest.raises(ManifestError) as caught:
        parse_manifest(ring % "true")
    assert "each would wait for the other: a -> b -> c -> a" in str(caught.value.problems[0])
    assert len(parse_manifest(ring % "false").services) == 3


def test_it_makes_one_need_of_all_that_is_asked() -> None:
    asked = web(
        'gpus: 1\nstorage_opt: {size: 10G}\nx-hive:\n  constraints: "(a=1)"\n  region: eu-*\n'
        "  spread: {by: region, required: true}\n  affinity: {service: db, by: owner}\n  strategy: nearest"
    )
    assert need(asked) == Need(
        runtimes=["docker"],
        cpu_threads=Decimal("0.5"),
        mem_gib=Decimal("0.25"),
        storage_gib=Decimal(10),
        gpus=1,
        constraints="(a=1)",
        regions=("eu-*",),
        strategy="nearest",
        group="service:1",
        spread="region",
        spread_required=True,
        affinity=Affinity(group="the db", by="owner"),
    )


def test_it_gives_the_bee_the_sizes_that_were_agreed() -> None:
    workload = web("gpus: 1\nstorage_opt: {size: 10G}").workload(runtime="docker")
    assert (workload.storage_gib, workload.gpus, workload.permit) == (Decimal(10), 1, None)


@pytest.mark.parametrize(
    ("written", "replaced"),
    [
        ("gpus: 1", True),
        ("storage_opt: {size: 1G}", True),
        ('x-hive: {constraints: "(a=1)"}', True),
        ("x-hive: {region: eu-*}", True),
        ("x-hive: {spread: owner}", False),
        ("x-hive: {affinity: db}", False),
        ("x-hive: {strategy: nearest}", False),
    ],
)
def test_it_replaces_what_would_not_meet_the_new_file(written: str, replaced: bool) -> None:
    assert (web(written).recipe != web("").recipe) is replaced
