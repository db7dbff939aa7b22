"""An engine of a test's own, to be restarted or set up as the machine's can't be."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.agent.containers import root_file_system

IMAGE = "hive-test/busybox:1"


class OwnEngine:
    """A dockerd of this test's own, beside the machine's: its own socket, data and containerd."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, f"unix://{folder / 'docker.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("dockerd", "-H", self.host, "--data-root", self.folder / "data"),
                    *("--exec-root", self.folder / "exec", "--pidfile", self.folder / "docker.pid"),
                    # The machine's engine minds the packet filter; ports go through docker-proxy.
                    *("--iptables=false", *options),
                ],
                stdout=log,
                stderr=log,
            )

    def start_again(self, *options: str) -> None:
        """Unless it is at work."""
        if self._process is None:
            self.start(*options)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    async def answers(self) -> docker.DockerClient:
        async with asyncio.timeout(40):
            while True:
                try:
                    return docker.DockerClient(base_url=self.host, version="auto")
                except DockerException:
                    await asyncio.sleep(0.1)


@asynccontextmanager
async def own_engine(folder: Path, *options: str) -> AsyncIterator[OwnEngine]:
    """At work, with `IMAGE`. The path of a unix socket has to be short, and so has `folder`."""
    engine = OwnEngine(folder)
    engine.start(*options)
    try:
        client = await engine.answers()
        client.api.import_image_from_data(root_file_system(), *IMAGE.split(":"))
        yield engine
    finally:
        engine.start_again(*options)
        client = await engine.answers()
        for container in client.containers.list(all=True):
            container.remove(force=True)
        client.networks.prune()
        engine.stop()
        # With `--live-restore` an engine leaves its data mounted on itself.
        subprocess.run(["umount", folder / "data"], stderr=subprocess.DEVNULL, check=False)
