"""What a replica wrote, told over the console's stream: the SSH subsystem `hive-logs`.

The renting team's own words: no rule of the machine's owner keeps them back, as one may keep back a shell.
"""

from __future__ import annotations

import asyncssh

from agent.access import Access
from agent.runtimes.base import Run, Runtime, RuntimeFault

SUBSYSTEM = "hive-logs"
TAIL_VARIABLE = "HIVE_TAIL"
"""How many lines are asked for; an SSH subsystem has no arguments, but an environment."""
AFTER_VARIABLE = "HIVE_AFTER"
"""For who follows: the mark of the answer before, BEGIN at first. Each answer then begins with a new mark."""
BEGIN = "-"
LINES = 200
MOST_LINES = 10_000
MOST_BYTES = 4 * 1024 * 1024


async def serve_logs(process: asyncssh.SSHServerProcess[bytes], access: Access) -> None:
    """The last lines on the output, or why there are none on the error stream with status 1."""
    if access.run is None or access.runtime is None:
        return _refuse(process, access.refusal)
    tail = wanted_lines(process.env.get(TAIL_VARIABLE, ""))
    try:
        if after := process.env.get(AFTER_VARIABLE, ""):
            said = await _behind(access.run, access.runtime, after, tail)
        else:
            said = (await access.runtime.logs(access.run, tail))[-MOST_BYTES:]
    except RuntimeFault as fault:
        return _refuse(process, str(fault))
    process.stdout.write(said)
    await process.stdout.drain()
    process.exit(0)


async def _behind(run: Run, runtime: Runtime, after: str, tail: int) -> bytes:
    """A mark is good for one run: after a restart the log begins anew."""
    told, _, mark = after.partition("/")
    said, new = await runtime.logs_after(run, mark if told == run.run_id else "", tail)
    return f"{run.run_id}/{new}\n".encode() + said


def wanted_lines(asked: str) -> int:
    """At least one and at most MOST_LINES; LINES for what is no number."""
    return min(max(int(asked), 1), MOST_LINES) if asked.isdecimal() else LINES


def _refuse(process: asyncssh.SSHServerProcess[bytes], reason: str) -> None:
    process.stderr.write(reason.encode())
    process.exit(1)
