"""The Docker runtime: one container per replica, with nothing it does not need.

All capabilities dropped, no new privileges, no host mounts, limits on memory, CPU and processes. The engine's
answers are waited for in threads, so a slow engine never stops the link. Labels say what a container is, so
that an agent which was killed finds its own again. Usage is the engine's count, never the payload's word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException

from agent import clock
from agent.protocol import Workload
from agent.runtimes.base import Counters, ImageMissing, Order, Run, RuntimeFault, Status, Terminal
from agent.runtimes.terminal import DescriptorTerminal

NODE, ASSIGNMENT, AGREEMENT, GENERATION = "hive.node", "hive.assignment", "hive.agreement", "hive.generation"
_PROCESSES = 512
_STEP_S = 0.05
_TIMEOUT_S = 60

P = ParamSpec("P")
T = TypeVar("T")


class DockerRuntime:
    name = "docker"

    def __init__(self, client: docker.DockerClient, node_id: str) -> None:
        self._client = client
        self._node_id = node_id
        self.version = str(client.version()["Version"])

    @classmethod
    def detect(cls, node_id: str) -> DockerRuntime:
        """Raises RuntimeFault where no engine answers."""
        try:
            client = docker.from_env(timeout=_TIMEOUT_S)
            client.ping()
            return cls(client, node_id)
        except (DockerException, RequestException, OSError) as error:
            raise RuntimeFault(f"no Docker engine answers: {_words(error)}") from error

    async def prepare(self, workload: Workload) -> None:
        try:
            await _ask(self._client.images.get, workload.image)
        except _Absent:
            await self._pull(workload.image)

    async def _pull(self, image: str) -> None:
        repository, _, tag = image.partition("@")[0].rpartition(":")
        named = image if "@" in image or (repository and "/" not in tag) else f"{image}:latest"
        try:
            await _ask(self._client.images.pull, named)
        except RuntimeFault as fault:
            raise ImageMissing(f"image {image} can't be pulled: {fault}") from fault

    async def start(self, order: Order) -> Run:
        container = await _ask(self._create, order)
        try:
            await _ask(container.start)
            await _ask(container.reload)
        except RuntimeFault:
            with suppress(RuntimeFault):
                await _ask(container.remove, force=True)
            raise
        return _run(container, order.advertise)

    def _create(self, order: Order) -> Container:
        assignment, workload = order.assignment, order.assignment.workload
        for left in self._labelled({ASSIGNMENT: assignment.assignment_id}):
            left.remove(force=True)
        return self._client.containers.create(
            workload.image,
            command=workload.command,
            entrypoint=workload.entrypoint,
            environment=_variables(order),
            labels={
                NODE: order.node_id,
                ASSIGNMENT: assignment.assignment_id,
                AGREEMENT: assignment.agreement_id,
                GENERATION: str(assignment.generation),
                "hive.advertise": order.advertise,
            },
            hostname=assignment.replica,
            ports=_published(workload.port, order.advertise),
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=_PROCESSES,
            mem_limit=int(workload.mem_gib * (1 << 30)),
            memswap_limit=int(workload.mem_gib * (1 << 30)),
            nano_cpus=int(workload.cpu_threads * 1_000_000_000),
            init=True,
            detach=True,
        )

    def confines_console(self, run: Run) -> bool:
        return True

    async def renew(self, run: Run, lease_until_s: float) -> None:
        """The engine knows no leases: while the agent is away nothing ends a container. See decision 0030."""

    async def status(self, run: Run) -> Status:
        try:
            container = await self._container(run)
            state = container.attrs["State"]
            if state["Running"]:
                return Status(alive=True)
            said = (await _ask(container.logs, tail=1)).decode(errors="replace").strip()[:200]
        except _Absent:
            return Status(alive=False, reason="its container was removed")
        reason = (
            "killed: out of memory" if state.get("OOMKilled") else f"exited with status {state['ExitCode']}"
        )
        ended_s = _boot_s(state["FinishedAt"])
        return Status(alive=False, reason=f"{reason}: {said}" if said else reason, ended_s=ended_s)

    async def usage(self, run: Run) -> Counters:
        """Zeros for a container that has ended: the engine forgets, and what was read last stands."""
        try:
            stats = await _ask(self._client.api.stats, run.run_id, stream=False, one_shot=True)
        except _Absent:
            return Counters()
        return Counters(
            cpu_ms=int(stats["cpu_stats"]["cpu_usage"].get("total_usage", 0)) // 1_000_000,
            egress_bytes=sum(int(each["tx_bytes"]) for each in stats.get("networks", {}).values()),
        )

    async def stop(self, run: Run, grace_s: float) -> None:
        with suppress(_Absent):
            container = await self._container(run)
            await _ask(container.stop, timeout=int(grace_s))

    async def remove(self, run: Run) -> None:
        with suppress(_Absent):
            container = await self._container(run)
            await _ask(container.remove, force=True, v=True)

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        async with asyncio.timeout(timeout_s):
            container = await self._container(run)
            result = await _ask(container.exec_run, command)
            return int(result.exit_code or 0)

    async def terminal(self, run: Run, command: str | None, columns: int, rows: int) -> Terminal:
        api = self._client.api
        shell = ["/bin/sh", "-c", command] if command else ["/bin/sh"]
        created = await _ask(
            api.exec_create, run.run_id, shell, stdin=True, tty=True, environment={"TERM": "xterm-256color"}
        )
        exec_id = created["Id"]
        # The SDK hands out the raw file of an HTTP response that has become a socket; its stubs say bytes.
        stream: Any = await _ask(api.exec_start, exec_id, tty=True, socket=True)

        async def resize(columns: int, rows: int) -> None:
            with suppress(RuntimeFault):
                await _ask(api.exec_resize, exec_id, height=rows, width=columns)

        async def wait() -> int:
            while (status := await _ask(api.exec_inspect, exec_id))["Running"]:
                await asyncio.sleep(_STEP_S)
            return int(status["ExitCode"] or 0)

        async def close() -> None:
            stream._response.close()
            stream.close()

        await resize(columns, rows)
        return DescriptorTerminal(stream.fileno(), resize=resize, wait=wait, close=close)

    async def adopt(self) -> list[Run]:
        containers = await _ask(self._labelled, {NODE: self._node_id})
        return [_run(each, each.labels.get("hive.advertise", "")) for each in containers]

    def _labelled(self, labels: dict[str, str]) -> list[Container]:
        wanted = [f"{name}={value}" for name, value in ({NODE: self._node_id} | labels).items()]
        return list(self._client.containers.list(all=True, filters={"label": wanted}))

    async def _container(self, run: Run) -> Container:
        return await _ask(self._client.containers.get, run.run_id)


class _Absent(RuntimeFault):
    """The engine has no such thing."""


async def _ask(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the engine in a thread; its many kinds of failure become one that carries its words."""
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except (NotFound, ImageNotFound) as error:
        raise _Absent(_words(error)) from error
    except (DockerException, RequestException, OSError) as error:
        raise RuntimeFault(_words(error)) from error


def _words(error: Exception) -> str:
    return str(error.explanation if isinstance(error, APIError) and error.explanation else error)[:300]


def _variables(order: Order) -> dict[str, str]:
    workload = order.assignment.workload
    own = {
        "HIVE_REPLICA": order.assignment.replica,
        "HIVE_NODE": order.node_id,
        "HIVE_GENERATION": str(order.assignment.generation),
    }
    return workload.environment | own | ({"PORT": str(workload.port)} if workload.port else {})


def _run(container: Container, advertise: str) -> Run:
    return Run(
        run_id=str(container.id),
        assignment_id=container.labels[ASSIGNMENT],
        agreement_id=container.labels.get(AGREEMENT, ""),
        runtime=DockerRuntime.name,
        endpoint=_endpoint(container.attrs, advertise),
    )


def _endpoint(attributes: dict[str, Any], advertise: str) -> str:
    published = (attributes.get("NetworkSettings", {}).get("Ports") or {}).values()
    ports = [binding["HostPort"] for bindings in published for binding in bindings or []]
    return f"{advertise}:{ports[0]}" if ports else ""


def _published(port: int | None, advertise: str) -> Any:
    """The port inside, published on a free one; `Any` because the SDK's stubs don't know None for "free"."""
    return {f"{port}/tcp": (_bind_address(advertise), None)} if port else {}


def _bind_address(advertise: str) -> str:
    """Loopback stays loopback; any other advertised name may be NAT's, so all addresses are bound."""
    return "127.0.0.1" if advertise in ("127.0.0.1", "localhost") else "0.0.0.0"


def _boot_s(engine_time: str) -> float | None:
    """The engine's RFC 3339 instants have nine decimals, Python reads six."""
    try:
        ended = datetime.fromisoformat(engine_time.split(".")[0].rstrip("Z") + "+00:00").timestamp()
    except ValueError:
        return None
    return clock.boot_s() - max(0.0, time.time() - ended)
