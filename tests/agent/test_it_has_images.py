"""Images from a real registry: had by tag or digest, pinned by id, named by digests, refused by size."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound
from eth_account import Account
from msgspec.structs import replace

from agent import clock
from agent.bookkeeper import Bookkeeper
from agent.config import Config, Rent, Rules
from agent.journal import Journal
from agent.keeper import Keeper
from agent.protocol import Workload
from agent.rules.judge import judge_for
from agent.runtimes.base import ImageMissing, Order
from agent.runtimes.docker.runtime import DockerRuntime
from agent.slots import WantedSet
from tests.agent.containers import clear_away, ended, order, root_file_system, shell
from tests.needs import need

pytestmark = [pytest.mark.needs("docker", "registry"), pytest.mark.real]

CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Registry:
    address: str
    engine: docker.DockerClient

    def push(self, tag: str, **environment: str) -> str:
        """An image that differs by its environment; forgotten by the engine again. Its reference."""
        name = f"{self.address}/hive-test/app"
        changes = [f"ENV {key}={value}" for key, value in environment.items()]
        self.engine.api.import_image_from_data(root_file_system(), name, tag, changes=changes)
        said = self.engine.api.push(name, tag)
        assert "error" not in said, said
        self.forget(f"{name}:{tag}")
        return f"{name}:{tag}"

    def forget(self, image: str) -> None:
        with suppress(ImageNotFound):
            self.engine.images.remove(image, force=True)

    def manifest(self, image: str) -> bytes:
        """As the registry has it, which is what its digest is of."""
        name, _, tag = image.removeprefix(self.address + "/").rpartition(":")
        return self._read(f"{name}/manifests/{tag}")

    def config(self, image: str) -> bytes:
        name, _, _ = image.removeprefix(self.address + "/").rpartition(":")
        digest = json.loads(self.manifest(image))["config"]["digest"]
        return self._read(f"{name}/blobs/{digest}")

    def _read(self, path: str) -> bytes:
        request = urllib.request.Request(f"http://{self.address}/v2/{path}", headers={"Accept": MANIFEST})
        with urllib.request.urlopen(request, timeout=10) as response:
            return bytes(response.read())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    need("docker", "registry")
    folder, port = tmp_path_factory.mktemp("registry"), _free_port()
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stderr=subprocess.DEVNULL)
    with closing(docker.from_env()) as engine:
        registry = Registry(f"127.0.0.1:{port}", engine)
        _wait_for(port)
        yield registry
        for image in engine.images.list():
            if any(registry.address in name for name in [*image.tags, *image.attrs["RepoDigests"]]):
                registry.forget(image.id or "")
    process.terminate()
    process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("the registry does not listen")


def workload(runtime: DockerRuntime, image: str, **fields: Any) -> Workload:
    return order(runtime, image, **fields).assignment.workload


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


async def test_it_pulls_what_is_not_there_and_knows_its_digests(
    runtime: DockerRuntime, registry: Registry
) -> None:
    image = registry.push("1")
    wanted = workload(runtime, image)
    await runtime.prepare(wanted)
    digests = {sha256(registry.manifest(image)), sha256(registry.config(image))}
    assert await runtime.image_digests(wanted) == digests
    sha3 = "sha3-256:" + hashlib.sha3_256(registry.config(image)).hexdigest()
    assert await runtime.image_digests(wanted, sha3=True) == digests | {sha3}


async def test_it_runs_the_very_image_that_a_digest_names(runtime: DockerRuntime, registry: Registry) -> None:
    tagged = registry.push("2", WHICH="first")
    digest = sha256(registry.manifest(tagged))
    registry.push("2", WHICH="second")
    pinned = f"{tagged.rpartition(':')[0]}@{digest}"
    wanted = order(runtime, pinned, command=shell("echo $WHICH; exit 3"))
    await runtime.prepare(wanted.assignment.workload)
    run = await runtime.start(wanted)
    assert await ended(runtime, run) == "exited with status 3: first"


async def test_it_says_when_nothing_has_that_digest(runtime: DockerRuntime, registry: Registry) -> None:
    name = registry.push("3").rpartition(":")[0]
    with pytest.raises(ImageMissing, match=r"can't be pulled: .*(not found|unknown)"):
        await runtime.prepare(workload(runtime, f"{name}@sha256:{'0' * 64}"))


async def test_it_runs_what_was_judged_though_the_tag_has_moved_since(
    runtime: DockerRuntime, registry: Registry
) -> None:
    image = registry.push("4", WHICH="judged")
    wanted = order(runtime, image, command=shell("echo $WHICH; exit 3"))
    await runtime.prepare(wanted.assignment.workload)
    judged = await runtime.image_digests(wanted.assignment.workload)
    name, _, tag = image.rpartition(":")
    registry.engine.api.import_image_from_data(root_file_system(), name, tag, changes=["ENV WHICH=moved"])
    assert await runtime.image_digests(wanted.assignment.workload) == judged
    run = await runtime.start(wanted)
    assert await ended(runtime, run) == "exited with status 3: judged"


async def test_it_starts_no_other_image_than_the_judged_one(
    runtime: DockerRuntime, registry: Registry
) -> None:
    """Another replica of that workload has the tag read again, between this one's judging and its start."""
    image = registry.push("6", WHICH="judged")
    wanted = order(runtime, image)
    judged = await judged_order(runtime, wanted)
    name, _, tag = image.rpartition(":")
    registry.engine.api.import_image_from_data(root_file_system(), name, tag, changes=["ENV WHICH=moved"])
    await runtime.prepare(wanted.assignment.workload)
    with pytest.raises(ImageMissing, match="changed after the owner's rules were asked"):
        await runtime.start(judged)
    run = await runtime.start(await judged_order(runtime, wanted))
    assert (await runtime.status(run)).alive


async def test_it_starts_nothing_judged_whose_image_it_forgot(runtime: DockerRuntime, image: str) -> None:
    judged = await judged_order(runtime, order(runtime, image))
    for number in range(256):
        await runtime.prepare(workload(runtime, image, command=shell(f"exit {number}")))
    with pytest.raises(ImageMissing, match="changed after the owner's rules were asked"):
        await runtime.start(judged)


async def test_its_keeper_starts_what_it_judged(
    runtime: DockerRuntime, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag moves while the owner's rules are asked, and another replica has it read again."""
    image = registry.push("7", WHICH="judged")
    wanted = order(runtime, image).assignment
    name, _, tag = image.rpartition(":")
    listed = sha256(registry.config(image))
    told = runtime.image_digests

    async def then_it_moves(workload: Workload, *, sha3: bool = False) -> set[str]:
        digests = await told(workload, sha3=sha3)
        monkeypatch.setattr(runtime, "image_digests", told)
        registry.engine.api.import_image_from_data(root_file_system(), name, tag, changes=["ENV WHICH=moved"])
        await runtime.prepare(workload)
        return digests

    monkeypatch.setattr(runtime, "image_digests", then_it_moves)
    async with keeper_of(runtime, tmp_path, digests=(listed,)) as keeper:
        keeper.tell(WantedSet([wanted]))
        async with asyncio.timeout(10):
            while not any("changed after" in each.reason for each in keeper.observed()):
                await asyncio.sleep(0.01)
        assert await runtime.adopt() == []


@asynccontextmanager
async def keeper_of(runtime: DockerRuntime, home: Path, **rules: Any) -> AsyncIterator[Keeper]:
    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1))
    config = Config(url="http://q", name="b", advertise="h", rent=rent, rules=Rules(**rules))
    journal, key = Journal(home / "journal.sqlite3"), Account.from_key(b"\x07" * 32)
    keeper = Keeper(
        runtimes={"docker": runtime},
        journal=journal,
        books=Bookkeeper(journal=journal, key=key, config=config, now_ms=clock.wall_ms),
        judge=judge_for(config, home),
        node_id=runtime._node_id,
        advertise="127.0.0.1",
        on_change=lambda: None,
    )
    life = asyncio.create_task(keeper.run())
    yield keeper
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
    journal.close()


async def judged_order(runtime: DockerRuntime, wanted: Order) -> Order:
    """As the keeper does it."""
    await runtime.prepare(wanted.assignment.workload)
    return replace(wanted, judged=frozenset(await runtime.image_digests(wanted.assignment.workload)))


async def test_it_takes_no_image_that_is_larger_than_what_a_replica_may_store(
    home: Path, registry: Registry
) -> None:
    image = registry.push("5")
    narrow = DockerRuntime.detect("0x" + uuid.uuid4().hex, home=home, storage_bytes=1 << 18)
    with pytest.raises(ImageMissing, match=r"can't be pulled: it is larger \(\d+ MiB\) than"):
        await narrow.prepare(workload(narrow, image))
    with pytest.raises(ImageNotFound):
        registry.engine.images.get(image)
    await clear_away(narrow)


async def test_it_goes_on_with_others_while_one_is_pulled(runtime: DockerRuntime, image: str) -> None:
    """A registry that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = f"127.0.0.1:{silent.getsockname()[1]}/hive-test/none:1"
        pulls = [asyncio.create_task(runtime.prepare(workload(runtime, nobody))) for _ in range(20)]
        run = await runtime.start(order(runtime, image, command=shell("exit 3")))
        assert (await ended(runtime, run)) == "exited with status 3"
        for pull in pulls:
            pull.cancel()
        await asyncio.gather(*pulls, return_exceptions=True)
