"""Whatever is wrong with a Compose file is said with place and line, all at once; nothing takes it down."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.deployments.manifest import ManifestError, parse_manifest

SIGNED = base64.b64encode(
    b'{"critical": {"image": {"docker-manifest-digest": "sha256:0"}, "type": "t"}}'
).decode()
GOOD = f"{{payload: {SIGNED}, signature: aGk=}}, "


def problems(text: str, **variables: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, variables=variables)
    return [str(problem) for problem in caught.value.problems]


def problem(below_web: str) -> str:
    """The only problem of a service `web` whose second line, line 4, is this."""
    found = problems(f"services:\n  web:\n    image: app\n    {below_web}\n")
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "deploy: {replicas: two}",
            'services.web.deploy.replicas: expected a whole number, got "two" (compose.yaml, line 4)',
        ),
        ("deploy: {replicas: true}", "deploy.replicas: expected a whole number, got true"),
        ("deploy: {replicas: 1.5}", "deploy.replicas: expected a whole number, got 1.5"),
        ("deploy: {replicas: -1}", "deploy.replicas: expected from 0 to 1000, got -1"),
        ("deploy: {replicas: 100000}", "expected from 0 to 1000, got 100000"),
        ("deploy: {replica: 1}", 'deploy.replica: unknown key; did you mean "replicas"?'),
        ("deploy: [1]", "services.web.deploy: expected a map, got a list"),
        (
            "deploy: {resources: {limits: {cpus: many}}}",
            'limits.cpus: expected a number of CPU threads such as "0.5"',
        ),
        ("deploy: {resources: {limits: {cpus: 0}}}", "expected between 0.01 and 4096 CPU threads, got 0"),
        ("deploy: {resources: {limits: {cpus: .nan}}}", "limits.cpus: expected a number of CPU threads"),
        (
            "deploy: {resources: {limits: {memory: 256X}}}",
            'expected a size such as "256M" or "2G", got "256X"',
        ),
        ("deploy: {resources: {limits: {memory: 1}}}", "expected between 4M and 16T, got 1"),
        (
            "deploy: {resources: {limits: {cpus: 1}, reservations: {cpus: 2}}}",
            "reserves more cpus than its limit allows",
        ),
        ("environment: [A]", "A has no value: the Hive doesn't know your shell's; write A: ${A:-value}"),
        ("environment: {'A B': x}", '"A B" is no name for a variable'),
        ("environment: text", "expected a map, or a list of NAME=value"),
        ("ports: 80", "services.web.ports: expected a list, got 80"),
        ('ports: ["80:99999"]', 'ports[0]: expected from 1 to 65535, got "99999"'),
        ('ports: ["53:53/udp"]', "only tcp ports are served by the edge"),
        ('ports: ["8000-8010"]', "a range of ports is not supported"),
        ('ports: ["80", "81"]', "the edge serves one port of a service, found 80, 81"),
        ("ports: [{published: 80}]", "expected target, published, protocol, mode"),
        ("healthcheck: {interval: 10}", 'interval: expected a duration such as "10s" or "1m30s", got 10'),
        ("healthcheck: {interval: 0s}", "interval: expected from 100ms to 24h, got "),
        ("healthcheck: {timeout: 99ms}", "timeout: expected from 100ms to 24h, got "),
        ("healthcheck: {interval: 25h}", "interval: expected from 100ms to 24h, got "),
        ("healthcheck: {start_period: 31d}", "start_period: expected at most 30d, got "),
        ("healthcheck: {retries: -5}", "retries: expected from 1 to 1000, got -5"),
        ("healthcheck: {retries: 0}", "retries: expected from 1 to 1000, got 0"),
        ("healthcheck: {retries: 1001}", "retries: expected from 1 to 1000, got 1001"),
        ("stop_grace_period: 0s", "expected a duration above 0s"),
        ("stop_grace_period: 31d", "expected at most 30d"),
        ("stop_grace_period: 1h", "expected at most 10m"),
        ("cpus: 1e999999999", "expected between 0.01 and 4096 CPU threads"),
        ("mem_limit: 17T", "expected between 4M and 16T"),
        ("healthcheck: {test: [RUN, x]}", 'expected a command line or a list that starts with "CMD"'),
        ("healthcheck: {disable: maybe}", "disable: expected true or false"),
        ("stop_grace_period: soon", 'expected a duration such as "10s"'),
        ("restart: sometimes", "expected no, always, on-failure or unless-stopped"),
        ("command: a 'b", "can't be split into words"),
        ("command: {a: b}", "expected a command line or a list of words, got a map"),
        ("x-hive: {runtime: podman}", 'runtime: expected one of docker, process, qemu, wasm, got "podman"'),
        ("x-hive: {max_price_per_hour: free}", 'expected GLM per hour such as "0.05", got "free"'),
        ("x-hive: {max_price_per_hour: -1}", "expected a price above 0, got -1"),
        ("x-hive: {max_price_per_hour: 1e-19}", "at most 18 digits after the point"),
        ("x-hive: {strategy: dearest}", "strategy: expected one of cheapest, best_value"),
        ("x-hive: {benchmarks: fast}", "services.web.x-hive.benchmarks: expected a map"),
        ("x-hive: {benchmarks: {cpu: fast}}", 'benchmarks.cpu: expected a number such as "100", got "fast"'),
        ("x-hive: {benchmarks: {cpu: 0}}", "benchmarks.cpu: expected a number above 0, got 0"),
        ("x-hive: {benchmarks: {up_mbits: 1}}", 'unknown key; did you mean "up_mbit_s"?'),
        ("x-hive: {health: ping}", 'expected "tcp", or http with a path such as "/health"'),
        ("x-hive: {health: {http: up}}", 'expected "tcp", or http with a path'),
        (
            'x-hive: {health: {http: "/x\\r\\nHost: evil"}}',
            'http with a path such as "/health" of at most 1024 visible ASCII characters, got "/x',
        ),
        ("x-hive: {health: {http: '/a b'}}", "visible ASCII characters"),
        ("x-hive: {health: {http: /ü}}", "visible ASCII characters"),
        (f"x-hive: {{health: {{http: /{'x' * 1024}}}}}", "at most 1024 visible ASCII characters"),
        ("x-hive: {lease: 1s}", "expected a lease from 10s to 24h"),
        ("x-hive: {host: 'a b'}", "expected a host name"),
        ("x-hive: {leas: 15m}", 'x-hive.leas: unknown key; did you mean "lease"?'),
        ("read_only: maybe", "services.web.read_only: expected true or false"),
        ("x-hive: {signatures: x}", "services.web.x-hive.signatures: expected a list"),
        ("x-hive: {signatures: [x]}", "signatures[0]: expected a map"),
        ("x-hive: {signatures: [{signature: aGk=}]}", "services.web.x-hive.signatures[0].payload: missing"),
        ("x-hive: {signatures: [{payload: '?', signature: aGk=}]}", "what was signed, the document that"),
        (
            "x-hive: {signatures: [{payload: e30=, signature: aGk=}]}",
            "signatures[0].payload: expected what was signed, the document that `cosign generate` prints, in "
            "base64; this one names no critical.image.docker-manifest-digest",
        ),
        (
            f"x-hive: {{signatures: [{{payload: {SIGNED}, signature: '!'}}]}}",
            'signatures[0].signature: expected a signature in base64, got "!"',
        ),
        (f"x-hive: {{signatures: [{{payload: {'A' * 9000}, signature: aGk=}}]}}", "at most 8192 characters"),
        (
            f"x-hive: {{signatures: [{{payload: {SIGNED}, signature: aGk=, signed_by: me}}]}}",
            "signatures[0].signed_by: unknown key; known here: payload, signature",
        ),
        (
            f"x-hive: {{signatures: [{GOOD * 17}]}}",
            "expected at most 16 signatures, got 17",
        ),
        ("imge: app", 'services.web.imge: unknown key; did you mean "image"?'),
        ("wibble: 1", "services.web.wibble: unknown key; known here: image, command"),
        ("replicas: 3", "services.web.replicas: unknown key"),
        ("build: .", "images aren't built here: build and push the image"),
        ("volumes: [a:/b]", "volumes aren't kept yet"),
        ("privileged: true", "not possible on other people's machines"),
        ("image: other", "services.web.image: given twice, first in line 3 (compose.yaml, line 4)"),
        ("labels: !secret x", "tag"),
        (
            "environment: {A: '${B}'}",
            "the variable B has no value; give one with --env B=value or ${B:-value}",
        ),
        ("environment: {A: 'b.version$v>=1'}", "or write $$v if the dollar belongs to a filter"),
        ("environment: {A: '${B:?set me}'}", "the variable B has no value: set me"),
        ("environment: {A: 'cost $ 5'}", "write $$ for a dollar sign"),
        ('environment: {A: "\\0"}', "the character 0"),
        ('environment: {A: "\\ud800"}', "half a character"),
        ('environment: {"\\ud800": x}', "half a character"),
    ],
)
def test_it_names_place_and_remedy(line: str, expected: str) -> None:
    found = problem(line)
    assert expected in found
    assert found.endswith("(compose.yaml, line 4)")


def test_it_tells_everything_at_once_in_the_order_of_lines() -> None:
    found = problems(
        "services:\n  Web_1: {image: app}\n  web:\n    imge: app\n    deploy: {replicas: two}\n  db: 5\n"
    )
    assert [line.partition(":")[0] for line in found] == [
        "services.Web_1",
        "services.web.image",
        "services.web.imge",
        "services.web.deploy.replicas",
        "services.db",
    ]
    assert found[0].endswith('for example "web-1" (compose.yaml, line 2)')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("# nothing", "the file is empty"),
        ("services:", "services: expected a map, got nothing"),
        ("services: {}", "services: expected at least one service"),
        ("name: hello", "services: missing"),
        ("- a", "expected a map, got a list"),
        ("just text", 'expected a map, got "just text"'),
        ("servces: {}", 'servces: unknown key; did you mean "services"?'),
        ("services: {web: {image: app}}\nname: Hello World", 'for example "hello-world"'),
        ("services: {web: {image: app}}\nvolumes: {a: }", "volumes aren't kept yet"),
        ("services: {web: }", "services.web.image: missing: every service needs an image"),
        ("services: {web: {image: [a]}}", "expected an image"),
        ("services: {web: {image: }}", "expected an image"),
        (
            'services: {job: {image: app, ports: ["80"], x-hive: {runtime: [docker, wasm]}}}',
            "services.job.ports: a wasm module has no network: take the port out, or wasm out of "
            "x-hive.runtime",
        ),
        ("services: {? [a, b] : {image: app}}", "expected a name before the colon"),
    ],
)
def test_it_explains_a_wrong_file(text: str, expected: str) -> None:
    assert expected in "\n".join(problems(text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("services: [", 1),
        ("services:\n\tweb: 1", 2),
        ("a: 1\n b: 2", 2),
        ("a: *nope", 1),
        ("---\na: 1\n---\nb: 2", 3),
        ("a: 'open", 1),
    ],
)
def test_it_names_the_line_of_what_is_no_yaml(text: str, line: int) -> None:
    [found] = problems(text)
    assert "not valid YAML" in found
    assert found.endswith(f"line {line})")


WEB = "services:\n  web:\n    image: app\n"


def bomb() -> str:
    """A "billion laughs": ten lines that unfold to 10^9 values."""
    lines = ["a0: &a0 [" + ", ".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (bomb(), "more than 10000 values"),
        ("a: &a [*a]", "nested deeper than 24 levels"),
        ("a: &a\n  <<: *a", "nested deeper than 24 levels"),
        ("[" * 5000, "nested deeper than 24 levels"),
        ("{a: " * 100 + "1" + "}" * 100, "nested deeper than 24 levels"),
        ("# " + "x" * 70_000, "larger than 64 KiB"),
        ("a: [" + "[]," * 20_000 + "]", "more than 10000 values"),
        ("a: [" + "!x 1," * 12_000 + "]", "more than 10000 values"),
        ("a: &a [1, 1, 1, 1]\nb: [" + "*a," * 4000 + "]", "more than 10000 values, aliases unfolded"),
        ("a: &a " + "x" * 50_000 + "\nb: [" + "*a," * 100 + "]", "more than 256 KiB, aliases unfolded"),
        (
            "a: &a " + "x" * 50_000 + "\nb: {" + "*a : 1," * 100 + "}",
            "at most 256 characters, found a long text",
        ),
        ("a: [" + '"\\0",' * 5000 + "]", "100 problems, and not all is read"),
        ("a: 0x" + "f" * 60_000, "services: missing"),
        ("services: 0x" + "f" * 60_000, "expected a map"),
        (WEB + "    stop_grace_period: '" + "1" * 60_000 + "'", "expected a duration"),
        (WEB + "    stop_grace_period: " + "9" * 400 + "d", "expected a duration"),
        (WEB + "    mem_limit: '1" + " " * 60_000 + "x'", "expected a size"),
        (WEB + "    cpus: " + "1_" * 30_000 + "1", "expected a number of CPU threads"),
        (WEB + "    healthcheck: {retries: 1" + "0" * 25 + "}", "retries: expected from 1 to 1000"),
        (WEB + "    healthcheck: {retries: 1" + "0" * 60_000 + "}", "retries: expected a whole number"),
        (WEB + "    command: " + "x " * 30_000, "at most 16 KiB in one line"),
        (WEB + "".join(f"    k{number}: 1\n" for number in range(4000)), "100 problems"),
        ("a: \x00", "not valid YAML"),
        ("\ud800", "not valid YAML"),
    ],
)
def test_it_refuses_hostile_files_quickly(text: str, expected: str) -> None:
    began = time.monotonic()
    assert expected in "\n".join(problems(text))
    assert time.monotonic() - began < 2


def test_it_does_not_repeat_a_long_text_in_every_problem() -> None:
    found = problems(WEB + "    ? " + "k" * 60_000 + "\n    : 1\n    labels: !" + "t" * 900 + " x\n")
    assert max(map(len, found)) < 600


def test_it_refuses_what_variables_would_fill_without_filling_it() -> None:
    text = WEB + "    labels: {a: '" + "$A" * 1000 + "'}\n"
    [found] = problems(text, A="x" * 1_000_000)
    assert "services.web.labels.a: its variables may fill it to more than 256 KiB: use fewer" in found


@pytest.mark.parametrize("part", ["environment: {{A: {}}}", "labels: {{a: {}}}", "command: [{}]"])
def test_it_bounds_what_a_bee_is_told_of_one_service(part: str) -> None:
    text = WEB + f"    {part.format('$A')}\n"
    assert parse_manifest(text, variables={"A": "x" * 60_000})
    [found] = problems(text, A="x" * 70_000)
    assert "services.web: takes 70" in found
    assert "expected at most 65536: put large values into the image" in found


def test_it_bounds_what_one_file_asks_for() -> None:
    few = "".join(f"  s{number}: {{image: app, deploy: {{replicas: 500}}}}\n" for number in range(3))
    many = "".join(f"  s{number}: {{image: app}}\n" for number in range(101))
    assert "at most 100 services and 1000 replicas in all, got 3 and 1500" in problems(f"services:\n{few}")[0]
    assert "got 101 and 101: split the file" in problems(f"services:\n{many}")[0]


@given(st.text(max_size=200))
def test_it_survives_any_text(text: str) -> None:
    try:
        parse_manifest(text)
    except ManifestError as error:
        assert error.problems


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    ["services", "web", "image", "deploy", "x-hive", "ports", "healthcheck", "environment", "1"]
)


@given(
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
)
def test_it_survives_any_shape(value: object) -> None:

    try:
        parse_manifest(json.dumps(value))
    except ManifestError as error:
        assert error.problems
