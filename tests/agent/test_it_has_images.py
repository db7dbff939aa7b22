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
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound

from agent.protocol import Workload
from agent.runtimes.base import ImageMissing
from agent.runtimes.docker.runtime import DockerRuntime
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
