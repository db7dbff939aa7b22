"""The Docker runtime: one container per replica, with nothing it does not need.

What a container is given stands in `container.py`: all capabilities dropped, no new privileges, no
host mounts, a network of its own, limits on memory, CPU, processes, storage and log. The engine's answers are
waited for in threads, so a slow engine never stops the link. Labels say what a container is, so that an agent
which was killed finds its own again; a fence ends what outlives its lease meanwhile. Usage is the engine's
count, never the payload's word.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.gpus import installed
from agent.protocol import Workload
from agent.runtimes.base import Counters, Order, Run, RuntimeFault, Status, Terminal, storage_of
from agent.runtimes.docker import container, following
from agent.runtimes.docker.engine import Absent, Conflict, Engine
from agent.runtimes.docker.gpus import Gpus
from agent.runtimes.docker.images import Images
from agent.runtimes.docker.leases import Leases
from agent.runtimes.docker.networks import Networks
from agent.runtimes.docker.storage import StorageWatch
from agent.runtimes.docker.trial import try_out
from agent.runtimes.terminal import DescriptorTerminal

log = logging.getLogger("hive.agent")

STORAGE_BYTES = 10 << 30
_STEP_S = 0.05
_LOG_BYTES = 1 << 20


class DockerRuntime:
    name = container.NAME

    def __init__(
        self, engine: Engine, *, node_id: str, home: Path, storage_bytes: int = STORAGE_BYTES
    ) -> None:
        self.version = engine.version
        self._engine, self._node_id, self._storage_bytes = engine, node_id, storage_bytes
        self._leases = Leases(home / "work" / "docker", node_id=node_id, socket_path=engine.socket_path)
        self._images = Images(engine, storage_bytes)
        self._networks = Networks(engine, node_id)
        self._engine_limits_storage = True
        """Until it says that it can't."""
        self._storage = StorageWatch(engine, storage_bytes)
        self.gpus = installed()
        """Those that this engine gives, once `self_test` has seen it give one."""
        self._free_gpus = Gpus(engine, self.gpus)

    @classmethod
    def detect(cls, node_id: str, *, home: Path, storage_bytes: int = STORAGE_BYTES) -> DockerRuntime:
        """Raises RuntimeFault where no engine answers, or where leases can't be written down."""
        engine = Engine.of_this_machine()
        try:
            return cls(engine, node_id=node_id, home=home, storage_bytes=storage_bytes)
        except OSError as error:
            raise RuntimeFault(f"leases of containers can't be written down: {error}") from error

    async def self_test(self) -> None:
        """Run a container that ends at once, and one with a GPU where there is any. Raises RuntimeFault."""
        await try_out(self, self._engine, self._node_id)
        if self.gpus:
            try:
                await try_out(self, self._engine, self._node_id, gpus=1)
            except RuntimeFault as fault:
                log.warning("the engine gives no GPU, so none is offered: %s", fault)
                self.gpus = []

    # -- images ---------------------------------------------------------------------------------------------

    async def prepare(self, workload: Workload) -> None:
        await self._images.prepare(workload)

    async def image_digests(self, workload: Workload, *, sha3: bool = False) -> set[str]:
        """Of the image that `prepare` found and `start` runs: `sha256:...`, and `sha3-256:...` if asked."""
        return await self._images.digests(workload, sha3=sha3)

    # -- starting and ending --------------------------------------------------------------------------------

    async def start(self, order: Order) -> Run:
        network, workload = await self._networks.take(), order.assignment.workload
        id = ""
        try:
            async with self._free_gpus.chosen(workload.gpus, order.assignment.assignment_id) as gpus:
                id = await self._create(order, network, gpus)
            self._leases.write(id, order.lease_until_s, workload.stop_grace_s)
            await self._engine.ask(self._engine.api.start, id)
            return container.run_of(await self._inspect(id))
        except (RuntimeFault, OSError) as error:
            await self._undo(id, network)
            raise error if isinstance(error, RuntimeFault) else RuntimeFault(str(error)) from error

    async def _create(self, order: Order, network: str, gpus: list[str]) -> str:
        """A container of that name is left over from an earlier start: it makes room."""
        body = container.creation(
            order,
            image=await self._images.pinned(order.assignment.workload, order.judged),
            network=network,
            storage_bytes=storage_of(order.assignment.workload, self._storage_bytes),
            gpus=gpus,
        )
        name = container.name_of(order.assignment.assignment_id)
        try:
            return await self._make(body, name)
        except Conflict:
            await self._remove_left(name)
            return await self._make(body, name)

    async def _make(self, body: dict[str, Any], name: str) -> str:
        """Refused with a limit on its storage, which most drivers lack, it is made without, and watched."""
        create, ask = self._engine.api.create_container_from_config, self._engine.ask
        if not self._engine_limits_storage:
            return str((await ask(create, body, name))["Id"])
        try:
            return str((await ask(create, container.limited(body), name))["Id"])
        except (Absent, Conflict):
            raise
        except RuntimeFault as fault:
            made = str((await ask(create, body, name))["Id"])
            self._engine_limits_storage = False
            log.info("what a container writes is watched, for the engine can't limit it: %s", fault)
            return made

    async def _remove_left(self, name: str) -> None:
        left = await self._inspect(name)
        if left["Config"]["Labels"].get(container.NODE) != self._node_id:
            raise RuntimeFault(f"somebody else on this machine has a container named {name}")
        await self.remove(container.run_of(left))

    async def _undo(self, id: str, network: str) -> None:
        with suppress(RuntimeFault):
            if id:
                await self._engine.ask(self._engine.api.remove_container, id, force=True, v=True)
                self._leases.forget(id)
            await self._networks.give_back(network)

    async def renew(self, run: Run, lease_until_s: float) -> None:
        try:
            self._leases.renew(run.run_id, lease_until_s)
        except OSError as error:
            raise RuntimeFault(f"its lease can't be written down: {error}") from error

    async def stop(self, run: Run, grace_s: float) -> None:
        with suppress(Absent):
            await self._engine.ask(self._engine.api.stop, run.run_id, timeout=int(grace_s))

    async def remove(self, run: Run) -> None:
        with suppress(Absent):
            await self._engine.ask(self._engine.api.remove_container, run.run_id, force=True, v=True)
        self._leases.forget(run.run_id)
        self._storage.forget(run)
        await self._networks.give_back(str(run.detail["network"]))

    async def adopt(self) -> list[Run]:
        mine = {"label": [f"{container.NODE}={self._node_id}"]}
        listed = await self._engine.ask(self._engine.api.containers, all=True, filters=mine)
        runs = [container.run_of(await self._inspect(each["Id"])) for each in listed]
        self._leases.forget_all_but({run.run_id for run in runs})
        await self._networks.adopt({str(run.detail["network"]) for run in runs})
        return runs

    # -- what runs ------------------------------------------------------------------------------------------

    async def status(self, run: Run) -> Status:
        try:
            state = (await self._inspect(run.run_id))["State"]
            if state["Running"]:
                overdrawn = self._storage.overdrawn(run)
                if not overdrawn:
                    return Status(alive=True, paused=state["Paused"])
                with suppress(Conflict):
                    await self._engine.ask(self._engine.api.kill, run.run_id)
                return Status(alive=False, reason=overdrawn)
        except Absent:
            return Status(alive=False, reason="its container was removed")
        said = await self._last_words(run)
        end = self._leases.end_of(run.run_id)
        reason = end.reason if end else container.how_it_ended(state)
        return Status(
            alive=False,
            reason=f"{reason}: {said}" if said else reason,
            ended_s=container.boot_s(state["FinishedAt"]),
        )

    async def _last_words(self, run: Run) -> str:
        """A log that can't be read must not hide an end."""
        with suppress(RuntimeFault):
            return (await self.logs(run, 1)).decode(errors="replace").strip()[:200]
        return ""

    async def usage(self, run: Run) -> Counters:
        """Once it has ended, only what its fence wrote: the engine forgets, and what was read stands."""
        if end := self._leases.end_of(run.run_id):
            return Counters(cpu_ms=end.cpu_ms, egress_bytes=end.egress_bytes)
        try:
            stats = await self._engine.ask(self._engine.api.stats, run.run_id, stream=False, one_shot=True)
        except Absent:
            return Counters()
        return Counters(
            cpu_ms=int(stats["cpu_stats"]["cpu_usage"].get("total_usage", 0)) // 1_000_000,
            egress_bytes=sum(int(each["tx_bytes"]) for each in stats.get("networks", {}).values()),
        )

    async def pause(self, run: Run) -> None:
        with suppress(Conflict):
            await self._engine.ask(self._engine.api.pause, run.run_id)

    async def resume(self, run: Run) -> None:
        try:
            await self._engine.ask(self._engine.api.unpause, run.run_id)
        except RuntimeFault:  # of one that is not paused, the engine says "internal error"
            if (await self.status(run)).paused:
                raise

    async def logs(self, run: Run, tail: int) -> bytes:
        return (await self._engine.ask(self._engine.api.logs, run.run_id, tail=tail))[-_LOG_BYTES:]

    async def logs_after(self, run: Run, mark: str, tail: int) -> tuple[bytes, str]:
        api, what = self._engine.api, following.what_to_ask(mark, tail)
        said = await self._engine.ask(lambda: api.logs(run.run_id, stream=False, timestamps=True, **what))
        return following.lines_after(said, mark)

    # -- inside it ------------------------------------------------------------------------------------------

    def confines_console(self, run: Run) -> bool:
        return True

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        """Nobody reads its output: a command that writes without end fills no memory of ours."""
        ask, api = self._engine.ask, self._engine.api
        created = await ask(api.exec_create, run.run_id, command, stdout=False, stderr=False)
        ended = False
        try:
            async with asyncio.timeout(timeout_s):
                await ask(api.exec_start, created["Id"], detach=True)
                status = await self._exit_status(created["Id"])
                ended = True
                return status
        finally:
            if not ended:
                await self._kill_command(run, created["Id"])

    async def _exit_status(self, exec_id: str) -> int:
        while (state := await self._engine.ask(self._engine.api.exec_inspect, exec_id))["Running"]:
            await asyncio.sleep(_STEP_S)
        return int(state["ExitCode"] or 0)

    async def _kill_command(self, run: Run, exec_id: str) -> None:
        """The engine has no word for it, so by its process id, where the agent may: as root."""
        with suppress(RuntimeFault, OSError):
            state = await self._engine.ask(self._engine.api.exec_inspect, exec_id)
            if state["Running"] and run.run_id in Path(f"/proc/{state['Pid']}/cgroup").read_text():
                os.kill(state["Pid"], signal.SIGKILL)

    async def terminal(self, run: Run, command: str | None, columns: int, rows: int) -> Terminal:
        ask, api = self._engine.ask, self._engine.api
        shell = ["/bin/sh", "-c", command] if command else ["/bin/sh"]
        created = await ask(
            api.exec_create, run.run_id, shell, stdin=True, tty=True, environment={"TERM": "xterm-256color"}
        )
        exec_id = created["Id"]
        # The SDK hands out the raw file of an HTTP response that has become a socket; its stubs say bytes.
        stream: Any = await ask(api.exec_start, exec_id, tty=True, socket=True)

        async def resize(columns: int, rows: int) -> None:
            with suppress(RuntimeFault):
                await ask(api.exec_resize, exec_id, height=rows, width=columns)

        async def close() -> None:
            stream._response.close()
            stream.close()

        await resize(columns, rows)
        return DescriptorTerminal(
            stream.fileno(), resize=resize, wait=lambda: self._exit_status(exec_id), close=close
        )

    async def _inspect(self, id: str) -> dict[str, Any]:
        return await self._engine.ask(self._engine.api.inspect_container, id)
