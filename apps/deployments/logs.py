"""What a replica wrote, fetched from its Bee at the moment somebody asks: the Hive keeps no logs itself.

It comes over the same stream as a console, with the same pinned key, by the SSH subsystem `hive-logs`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncssh
from asgiref.sync import async_to_sync

from apps.deployments.console import ConsoleError, connect
from apps.deployments.models import Assignment, Replica
from apps.nodes.models import NodeState
from apps.nodes.streams import StreamUnavailable, new_stream_id, open_stream

SUBSYSTEM, TAIL_VARIABLE, AFTER_VARIABLE, BEGIN = "hive-logs", "HIVE_TAIL", "HIVE_AFTER", "-"
"""As in `agent/logs.py`."""
LINES = 200
MOST_LINES = 10_000
MOST_BYTES = 4 * 1024 * 1024
"""More is not taken from a Bee, whatever it sends."""
CHUNK_BYTES = 64 * 1024
TOLD_WITHIN_S = 15.0
AWAY = frozenset({NodeState.OFFLINE, NodeState.BANNED})


class LogUnavailable(Exception):
    """Why there is no log to show; its text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class ReplicaLog:
    """The last lines of the newest generation of a replica."""

    replica: str
    generation: int
    node_id: str
    node_name: str
    text: str
    mark: str = ""
    """For who follows: where this text ends."""


def log_of(replica: Replica, *, tail: int = LINES, after: str | None = None) -> ReplicaLog:
    """Ask the Bee now. `after` is for who follows: "" at first, then the mark of the answer before.

    A follower is told whole lines, each once. Raises LogUnavailable.
    """
    newest = replica.assignments.select_related("node").order_by("-generation").first()
    if newest is None:
        raise LogUnavailable(f"{replica.name} has not been placed yet: there is nothing it could have said")
    if newest.node.state in AWAY:
        raise LogUnavailable(f"{newest.node.name}, which keeps its log, is {newest.node.state}")
    variables = {TAIL_VARIABLE: str(min(tail, MOST_LINES))}
    if after is not None:
        variables[AFTER_VARIABLE] = after or BEGIN
    said: bytes = async_to_sync(read_log)(newest, variables)
    mark, _, text = said.partition(b"\n") if after is not None else (b"", b"", said)
    return ReplicaLog(
        replica=replica.name,
        generation=newest.generation,
        node_id=newest.node_id,
        node_name=newest.node.name,
        text=text.decode(errors="replace"),
        mark=mark.decode(errors="replace"),
    )


async def read_log(assignment: Assignment, variables: dict[str, str]) -> bytes:
    """What the Bee answers to this question. Raises LogUnavailable."""
    try:
        async with asyncio.timeout(TOLD_WITHIN_S):
            return await _fetch(assignment, variables)
    except TimeoutError:
        raise LogUnavailable(f"the bee did not tell it within {TOLD_WITHIN_S:.0f} s") from None
    except (StreamUnavailable, ConsoleError, OSError, asyncssh.Error) as error:
        raise LogUnavailable(str(error)) from None


async def _fetch(assignment: Assignment, variables: dict[str, str]) -> bytes:
    name, stream_id = str(assignment.pk), new_stream_id()
    end = await open_stream(assignment.node_id, name, assignment.generation, stream_id=stream_id)
    try:
        connection = await connect(end, assignment.node.ssh_host_key, name, stream_id)
    except BaseException:
        end.close()
        raise
    try:
        return await _hear(connection, variables)
    finally:
        connection.close()


async def _hear(connection: asyncssh.SSHClientConnection, variables: dict[str, str]) -> bytes:
    process = await connection.create_process(subsystem=SUBSYSTEM, env=variables, encoding=None)
    said = bytearray()
    while len(said) < MOST_BYTES and (chunk := await process.stdout.read(CHUNK_BYTES)):
        said += chunk
    if not said and (refusal := await process.stderr.read(1000)):
        raise LogUnavailable(refusal.decode(errors="replace").strip())
    return bytes(said)
