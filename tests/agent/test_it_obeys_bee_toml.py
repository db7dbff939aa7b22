"""What the owner wrote into bee.toml, kept by a real agent against whatever its Queen wants."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from agent.config import read_config, write_config
from agent.errors import AgentError
from agent.protocol import ImageSignature, Verdict
from agent.rules.digests import of_folder
from tests.agent.conftest import SERVER, agent, config_for, left_of, put_image
from tests.agent.containers import SERVE
from tests.agent.queen_double import QueenDouble, assignment

pytestmark = pytest.mark.real

D = Decimal
OTHER = "sha256:" + "0" * 64


def write_rules(queen: QueenDouble, home: Path, runtime: str = "process", **sections: dict[str, Any]) -> None:
    """bee.toml with these keys, and image hive/hello:1 in the catalogue."""
    home.mkdir(exist_ok=True)
    config = config_for(queen.url, runtime)
    changed = {name: replace(getattr(config, name), **keys) for name, keys in sections.items()}
    write_config(home, replace(config, **changed))
    shutil.rmtree(home / "images", ignore_errors=True)
    put_image(home, "hive/hello:1", SERVER)


def later() -> tuple[str]:
    """Hours for rent that are not now."""
    soon = datetime.now() + timedelta(hours=3)
    return (f"{soon:%H:%M}-{soon + timedelta(hours=2):%H:%M}",)


def digest_of(home: Path, algorithm: str) -> str:
    [digest] = [each for each in of_folder(home / "images/hive/hello/1") if each.startswith(algorithm + ":")]
    return digest


async def seen_failed(queen: QueenDouble, **workload: Any) -> str:
    """The reason why an assignment of hive/hello:1 is not run."""
    given = assignment(await queen.agree(), **workload)
    await queen.want(given)
    seen = await queen.until(lambda: queen.is_seen(given, "failed"))
    assert seen.restarts == 0
    return str(seen.reason)


async def is_healthy(queen: QueenDouble, **workload: Any) -> None:
    given = assignment(await queen.agree(), **workload)
    await queen.want(given)
    await queen.until(lambda: queen.is_seen(given, "healthy"))


async def test_it_tells_its_region_and_what_is_built_in(queen: QueenDouble, home: Path) -> None:
    join = ["join", queen.url, "bee_abc", "--home", str(home), "--runtime", "process", "--gpus", "2"]
    status, _, error = await agent(*join, "--region", "eu-central")
    assert status == 0, error
    config = read_config(home)
    assert (config.region, config.rent.gpus) == ("eu-central", 2)
    assert queen.hellos[-1].info.properties["hive.region"] == "eu-central"
    status, _, error = await agent(*join, "--force", "--region", "Next Door")
    assert status == 2
    assert "expected a code in lower case such as eu-central" in error


def test_it_takes_no_region_that_is_no_code(home: Path) -> None:
    home.mkdir()
    write_config(home, config_for("http://q", "process"))
    (home / "bee.toml").write_text((home / "bee.toml").read_text().replace('region = ""', 'region = "EU"'))
    with pytest.raises(AgentError, match="region: expected a code in lower case such as eu-central"):
        read_config(home)


async def test_it_asks_for_hours_and_teams_when_joining(queen: QueenDouble, home: Path) -> None:
    choice = ["--hours", "22:00-08:00", "--hours", "sat,sun 00:00-24:00", "--team", "bees"]
    status, _, error = await agent(
        "join", queen.url, "bee_abc", "--home", str(home), "--runtime", "process", *choice
    )
    assert status == 0, error
    config = read_config(home)
    assert config.rent.hours == ("22:00-08:00", "sat,sun 00:00-24:00")
    assert config.rules.teams == ("bees",)
    status, _, error = await agent("join", queen.url, "bee_abc", "--home", str(home), "--hours", "at night")
    assert status == 2
    assert "expected hours such as" in error


@pytest.mark.parametrize(
    ("written", "instead", "words"),
    [
        ("hours = []", 'hours = ["25:00-08:00"]', "25:00 is no time of day"),
        ("digests = []", 'digests = ["sha256:1"]', "64 hexadecimal digits"),
        ("signers = []", 'signers = ["cosign.pub"]', "rules.signers[0]: expected a public key"),
        ('policy = "fixed"', 'policy = "cost"', "needs the figures in [prices.cost]"),
        ('policy = "fixed"', 'policy = "greedy"', "prices.policy: expected one of fixed, load, cost"),
        ('lowest_percent = "100"', 'lowest_percent = "101"', "lowest_percent: expected from 0 to 100"),
        ('threads = "2"', 'threads = "-2"', "threads: expected a number from 0 up, got -2"),
        ('second = "0.000001"', 'second = "1e-19"', "second: expected at most 18 digits after the point"),
        ('second = "0.000001"', 'second = "1e999999"', "second: expected a number from 0 up"),
        ('second = "0.000001"', 'second = "NaN"', "second: expected a number from 0 up, got NaN"),
        ('second = "0.000001"', 'second = "1000001"', "second: expected at most 1000000 GLM"),
        ("[rules]", "[rules]\ntaems = []", "taems"),
    ],
)
async def test_it_starts_with_no_rule_that_it_can_not_read(
    queen: QueenDouble, home: Path, written: str, instead: str, words: str
) -> None:
    write_rules(queen, home)
    path = home / "bee.toml"
    assert written in path.read_text()
    path.write_text(path.read_text().replace(written, instead, 1))
    status, _, error = await agent("run", "--home", str(home))
    assert status == 1
    assert error.splitlines()[-1].startswith(f"hive agent: {path}: ")
    assert words in error


async def test_it_runs_no_image_with_a_digest_that_is_not_listed(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    write_rules(queen, home, rules={"digests": (OTHER,)})
    async with running_bee():
        reason = await seen_failed(queen)
        assert reason == (
            f"the owner's rules don't list the digest of image hive/hello:1 ({digest_of(home, 'sha256')})"
        )
        assert left_of(home / "work") == [], "it was never started"


@pytest.mark.parametrize("algorithm", ["sha256", "sha3-256"])
async def test_it_runs_an_image_whose_digest_is_listed(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any], algorithm: str
) -> None:
    write_rules(queen, home)
    write_rules(queen, home, rules={"digests": (OTHER, digest_of(home, algorithm))})
    async with running_bee():
        await is_healthy(queen)


async def test_it_runs_only_what_somebody_signed_whom_the_owner_trusts(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    key, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    text = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    write_rules(queen, home, rules={"signers": (text,)})

    def signed(by: Ed25519PrivateKey) -> list[ImageSignature]:
        image = {"docker-manifest-digest": digest_of(home, "sha3-256")}
        payload = json.dumps({"critical": {"image": image, "type": "cosign container image signature"}})
        parts = payload.encode(), by.sign(payload.encode())
        payload, proof = (base64.b64encode(part).decode() for part in parts)
        return [ImageSignature(payload=payload, signature=proof)]

    async with running_bee():
        assert "no signature came with it" in await seen_failed(queen)
        assert "not signed by anybody" in await seen_failed(queen, signatures=signed(stranger))
        await is_healthy(queen, signatures=signed(key))


@pytest.mark.needs("docker")
async def test_it_asks_the_engine_what_a_container_is_made_of(
    queen: QueenDouble, home: Path, image: str, running_bee: Callable[..., Any]
) -> None:
    """By tag, by the engine's id, and by the SHA3-256 of the same configuration."""
    serve = {"image": image, "command": SERVE, "port": 80}
    write_rules(queen, home, "docker", rules={"digests": (OTHER,)})
    status, output, error = await agent("digest", image, "--home", str(home))
    assert status == 0, error
    sha256, sha3 = sorted(output.split())
    async with running_bee():
        given = assignment(await queen.agree(image=image), **serve)
        await queen.want(given)
        seen = await queen.until(lambda: queen.is_seen(given, "failed"))
        assert seen.reason == f"the owner's rules don't list the digest of image {image} ({sha256})"
    for digest in (sha256, sha3):
        write_rules(queen, home, "docker", rules={"digests": (digest,)})
        queen.offers, queen.assignments = [], []
        async with running_bee():
            given = assignment(await queen.agree(image=image), **serve)
            await queen.want(given)
            await queen.until(lambda given=given: queen.is_seen(given, "healthy"), timeout_s=20)
            await queen.want()
            await queen.until(lambda given=given: queen.is_seen(given, "stopped"), timeout_s=20)


async def test_it_signs_only_with_teams_that_the_owner_lets_in(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    write_rules(queen, home, rules={"teams": ("bees",)})
    async with running_bee():
        for team, verdict in (("wasps", Verdict.REJECTED), ("bees", Verdict.ACCEPTED)):
            terms = await queen.agree(team=team)
            answer = queen.answer_to(terms.agreement_id)
            assert answer and answer.verdict == verdict
            assert answer.reason == ("" if team == "bees" else "the owner's rules don't allow team wasps")


async def test_it_runs_nothing_under_an_agreement_that_the_rules_are_against_by_now(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    write_rules(queen, home)
    async with running_bee():
        given = assignment(await queen.agree(team="wasps"))
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
    write_rules(queen, home, rules={"teams": ("bees",)})
    async with running_bee():
        seen = await queen.until(lambda: queen.is_seen(given, "failed"))
        assert seen.reason == "the owner's rules don't allow team wasps"
        assert left_of(home / "work") == []


@pytest.mark.parametrize("ahead_s", [0, 4 * 3600], ids=["", "whatever time it is for the queen"])
async def test_it_offers_nothing_outside_the_owners_hours(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any], ahead_s: float
) -> None:
    queen.ahead_s = ahead_s
    [hours] = later()
    write_rules(queen, home, rent={"hours": (hours,)})
    async with running_bee():
        await queen.until(lambda: queen.observed)  # the offers go out before
        assert queen.offers == []
        _, output, error = await agent("status", "--home", str(home))
        assert re.search(rf"^for rent +from [A-Z][a-z]+ {hours[:5]}$", output, re.MULTILINE), output + error


async def test_it_stops_at_the_owners_hour_though_no_queen_can_be_heard(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    write_rules(queen, home)
    async with running_bee():
        given = assignment(await queen.agree())
        await queen.want(given)
        await queen.until(lambda: queen.is_seen(given, "healthy"))
    assert left_of(home / "work"), "it waits for the agent's return"
    write_rules(queen, home, rent={"hours": later()})
    queen.assignments = []
    async with running_bee("--url", "http://127.0.0.1:1"):
        for _ in range(100):
            if not left_of(home / "work"):
                break
            await asyncio.sleep(0.1)
        assert left_of(home / "work") == []


async def test_it_asks_more_once_something_is_rented_out(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    prices = {"policy": "load", "second": D("0.001"), "cpu_second": D(0), "peak_percent": D(300)}
    write_rules(queen, home, prices=prices)
    async with running_bee():
        first = await queen.until(lambda: queen.offers and queen.offers[0])
        assert first.price.second_glm == D("0.001")
        terms = await queen.agree(threads="1")
        newer = await queen.until(lambda: queen.offers[0].offer_id != first.offer_id and queen.offers[0])
        assert newer.price.second_glm == D("0.002"), "half of two threads is rented"
        late = await queen.agree(threads="1", offer_id=first.offer_id, price=terms.price)
        answer = queen.answer_to(late.agreement_id)
        assert answer and answer.verdict == Verdict.ACCEPTED, "what was offered a moment ago holds"


async def test_it_ends_what_writes_more_than_the_owner_lets_a_replica_write(
    queen: QueenDouble, home: Path, running_bee: Callable[..., Any]
) -> None:
    write_rules(queen, home, rent={"replica_storage_gib": D("0.01")})
    greedy = "import time\nfor n in range(5): open(f'f{n}', 'wb').write(bytes(4_000_000))\ntime.sleep(60)"
    put_image(home, "hive/greedy:1", greedy)
    async with running_bee():
        given = assignment(await queen.agree(image="hive/greedy:1"), port=None)
        await queen.want(given)
        seen = await queen.until(lambda: (one := queen.seen(given)) and one.restarts and one)
        assert seen.reason.startswith("killed: ")
        assert "10 MiB" in seen.reason
