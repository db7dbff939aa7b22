"""The demo's three Bees: real agents in processes of their own, joined with one-time tokens."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hive_portal.demo.images import import_into_engine, put_in_catalogue
from hive_portal.demo.waiting import DemoFailed
from hive_portal.stack.home import HiveHome
from hive_portal.stack.process import Child

HIVE = [sys.executable, "-m", "hive_client"]
# A different price each, so that the market has something to choose: GLM per second.
PRICES = {"amber": "0.000002", "clover": "0.0000022", "heather": "0.0000025"}


def container_engine() -> object | None:
    """A client of the Docker engine that answers here, or None."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
        client.ping()
    except (DockerException, OSError):
        return None
    return client


@dataclass
class DemoBee:
    """One Bee: its folder, its process, and the end of both it and what it runs."""

    hive: HiveHome
    name: str
    runtime: str
    portal_url: str
    home: Path = field(init=False)
    child: Child = field(init=False)

    def __post_init__(self) -> None:
        bees = self.hive.folder("bees")
        bees.chmod(0o711)  # replicas run as users of their own where we are root, and reach their folders
        self.home = bees / self.name
        # `--url`: a Bee that joined an earlier demo knows the portal on another port.
        command: list[str | Path] = [*HIVE, "agent", "run", "--home", self.home, "--url", self.portal_url]
        self.child = Child(self.hive, f"bee-{self.name}", command)

    @property
    def is_joined(self) -> bool:
        return (self.home / "bee.toml").exists()

    @property
    def node_id(self) -> str:
        keystore = json.loads((self.home / "keystore.json").read_text())
        return "0x" + str(keystore["address"]).lower().removeprefix("0x")

    def join(self, token: str) -> None:
        options = ["--home", str(self.home), "--name", self.name, "--runtime", self.runtime]
        options += ["--threads", "2", "--memory", "2", "--price-second", PRICES[self.name]]
        options += ["--console"]  # who runs the demo owns bee and team: a shell needs no further confining
        said = subprocess.run(
            [*HIVE, "agent", "join", self.portal_url, token, *options],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode != 0:
            raise DemoFailed(f"bee {self.name} could not join: {said.stderr.strip() or said.stdout.strip()}")

    def start(self) -> None:
        if self.runtime == "process":
            put_in_catalogue(self.home / "images")
        self.child.start()

    def kill(self) -> None:
        """SIGKILL for the Bee and all that it runs, as if the machine lost its power."""
        self.child.kill()
        self.end_payload()

    def stop(self) -> None:
        self.child.stop(timeout_s=5)
        self.end_payload()

    def end_payload(self) -> None:
        """What a Bee runs outlives its agent, to be adopted again; the demo leaves nothing behind."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HIVE_NODE", "").lower() == self.node_id:
                    process.kill()
        if self.runtime == "docker" and (engine := container_engine()):
            labels = {"label": f"hive.node={self.node_id}"}
            for container in engine.containers.list(all=True, filters=labels):  # type: ignore[attr-defined]
                container.remove(force=True)
            engine.networks.prune(filters=labels)  # type: ignore[attr-defined]


def prepare_bees(hive: HiveHome, portal_url: str) -> list[DemoBee]:
    """Three Bees on the best runtime this machine has, the image ready for them."""
    engine = container_engine()
    if engine is not None:
        import_into_engine(engine)  # type: ignore[arg-type]
    runtime = "docker" if engine else "process"
    return [DemoBee(hive, name, runtime, portal_url) for name in PRICES]
