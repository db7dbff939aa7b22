"""Processes that die: forked from this one, killed by SIGKILL right after their k-th step.

A step is what leaves a trace outside of the process, or asks for one: a commit, a statement that commits
itself, an HTTP request that was answered. Dying before a step is the same to everybody else as dying after
the one before, so "after each" is "between any two". Hints to the broker are none: they follow a commit, and
who dies after that has not given them.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from urllib3.connectionpool import HTTPConnectionPool

WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


def leaves_a_trace(step: str) -> bool:
    """Is it anything else than a question to the chain?"""
    return not step.startswith("eth_") or step == "eth_sendRawTransaction"


def in_child(work: Callable[[], object], *, log: Path, dies_after: int | None = None) -> list[str]:
    """Do the work in a fork, to its end or to its death. Returns its steps, by what they were.

    Raises AssertionError when it ended in any other way than it should.
    """
    log.write_bytes(b"")
    connection.close()
    if (pid := os.fork()) == 0:
        os._exit(_live(work, log, dies_after))
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    steps = log.read_text().splitlines()
    assert ended == (-signal.SIGKILL if dies_after else 0), f"ended with {ended} after {steps[-3:]}"
    return steps


def _live(work: Callable[[], object], log: Path, dies_after: int | None) -> int:
    try:
        _count_steps(os.open(log, os.O_WRONLY | os.O_APPEND), dies_after)
        work()
        connection.close()
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _count_steps(log: int, dies_after: int | None) -> None:
    """For the rest of this process's life."""
    count = 0

    def took(what: str) -> None:
        nonlocal count
        count += 1
        os.write(log, f"{what}\n".encode())
        if count == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    _after(BaseDatabaseWrapper, "_commit", lambda *_, **__: took("commit"))
    _after(HTTPConnectionPool, "urlopen", lambda *_, body=b"", **__: took(_asked(body)))
    connection.execute_wrappers.append(_commits_itself(took))


def _after(owner: type, name: str, then: Callable[..., None]) -> None:
    """Have `then` called with the same arguments after each call."""
    original = getattr(owner, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        then(*args, **kwargs)
        return result

    setattr(owner, name, called)


def _commits_itself(took: Callable[[str], None]) -> Callable[..., Any]:
    def run(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not connection.in_atomic_block and sql.lstrip().startswith(WRITES):
            took(sql[:60])
        return result

    return run


def _asked(body: Any) -> str:
    try:
        return str(json.loads(body)["method"])
    except (ValueError, TypeError, KeyError):
        return "request"
