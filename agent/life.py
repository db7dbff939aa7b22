"""An agent's life: start up, run, shut down."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from agent import clock, machine
from agent.bee import Bee
from agent.config import read_config
from agent.errors import AgentError
from agent.host_key import private_key_path
from agent.identity import load_or_make_key, node_id
from agent.link import keep_link
from agent.measuring import measure_now_and_then
from agent.protocol import OpenStream
from agent.runtimes.detect import detect_runtimes

log = logging.getLogger("hive.agent")

OWNER_S = 1.0
"""How soon a pause is obeyed."""
SAMPLE_S = 5.0
"""How often usage is gathered: what a container used since is lost if it dies by itself."""
HOURS_S = 5.0
"""How often the owner's hours are looked at: so late something may still run."""
_LAST_WORDS_S = 2.0
_STOP_PATIENCE_S = 30.0


async def live(home: Path, *, stop_replicas: bool, url: str | None = None) -> None:
    """Run until SIGTERM or SIGINT; `url` overrides that of bee.toml.

    Raises:
        AgentError: the Bee can't run. RefusedByQueen is one.
    """
    with only_one(home):
        wake, leaving = asyncio.Event(), asyncio.Event()
        bee = await start_up(home, wake, url)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, leaving.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(keep_link(bee, wake, lambda stream: _open_console(bee, stream, tasks))),
                    tasks.create_task(bee.keeper.run()),
                    tasks.create_task(meter(bee)),
                    tasks.create_task(measure_now_and_then(bee)),
                    tasks.create_task(keep_hours(bee)),
                    tasks.create_task(obey_owner(bee)),
                ]
                await leaving.wait()
                await shut_down(bee, stop_replicas=stop_replicas)
                for task in background:
                    task.cancel()
                raise _Left
        except* _Left:
            log.info("gone")
        except* AgentError as group:
            raise _first(group) from None
        finally:
            bee.journal.close()


async def start_up(home: Path, wake: asyncio.Event, url: str | None) -> Bee:
    config = read_config(home)
    if url:
        config = replace(config, url=url)
    key = load_or_make_key(home)
    runtimes = await detect_runtimes(
        config.rules.runtimes,
        home=home,
        node_id=node_id(key),
        storage_bytes=int(config.rent.replica_storage_gib * machine.GIB),
    )
    if not runtimes:
        raise AgentError(f"none of the runtimes in {home / 'bee.toml'} works on this machine")
    bee = Bee(home=home, config=config, runtimes=runtimes, poke=wake.set)
    log.info("bee %s is %s, runtimes: %s", config.name, bee.node_id, ", ".join(runtimes))
    bee.obey_pause()
    await bee.keeper.adopt()
    return bee


async def meter(bee: Bee) -> None:
    """Gather usage often, and cut a report each metering interval."""
    await bee.greeted.wait()  # the Queen names the interval, and the chain that reports are signed for
    cut_at = clock.boot_s() + bee.metering_interval_s
    while True:
        interval_s = bee.metering_interval_s
        # The Queen may shorten it at any time.
        cut_at = min(cut_at, clock.boot_s() + interval_s)
        await asyncio.sleep(min(SAMPLE_S, interval_s / 2, max(0.0, cut_at - clock.boot_s())))
        await bee.keeper.sample()
        if clock.boot_s() >= cut_at:
            bee.books.cut_all()
            bee.reported()
            cut_at += interval_s


async def obey_owner(bee: Bee) -> None:
    """A pause begins and ends with a file, which costs next to nothing to look for."""
    while True:
        bee.obey_pause()
        await asyncio.sleep(OWNER_S)


async def keep_hours(bee: Bee) -> None:
    """Also while no Queen can be heard: the owner's hours are the owner's."""
    while bee.config.rent.hours:
        bee.keep_hours()
        await asyncio.sleep(HOURS_S)


async def shut_down(bee: Bee, *, stop_replicas: bool) -> None:
    """Last usage to the journal and, while the link lasts, to the Queen."""
    if stop_replicas:
        await bee.keeper.stop_everything(_STOP_PATIENCE_S)
    elif left := len(bee.keeper.runs()):
        log.info("leaving %d replicas running, until the agent is back or their leases run out", left)
    await bee.keeper.sample()
    bee.books.cut_all()
    bee.reported()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            while bee.journal.unacked_usage(limit=1):
                await asyncio.sleep(0.05)


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Two agents with one key would fight for the link and sign two chains of usage."""
    path = home / "lock"
    path.touch(mode=0o600)  # a replica that could open it could lock the agent out
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AgentError(f"another agent is running with {home}") from None
        yield


def _open_console(bee: Bee, stream: OpenStream, tasks: asyncio.TaskGroup) -> None:
    # Imported for the first console only: asyncssh costs 15 MB.
    from agent.console import serve_stream

    tasks.create_task(
        serve_stream(
            socket_url=bee.config.socket_url,
            stream=stream,
            access=bee.access_to(stream),
            host_key=private_key_path(bee.home),
        )
    )


def _first(group: BaseExceptionGroup[AgentError]) -> AgentError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Left(Exception):
    """The way out of the task group: everything it owns is cancelled."""
