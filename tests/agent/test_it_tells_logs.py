"""What a replica wrote, told by a real agent to a real SSH client over a real WebSocket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest
from msgspec.structs import replace

from agent.config import read_config, write_config
from agent.logs import LINES, MOST_LINES, wanted_lines
from agent.protocol import Assignment
from tests.agent.conftest import config_for, put_image
from tests.agent.queen_double import QueenDouble, assignment
from tests.agent.test_it_opens_consoles import console

pytestmark = pytest.mark.real

CHATTY = """
import sys, time
for number in range(1, 401): print("line", number)
print("\\xff on the error stream", file=sys.stderr)
time.sleep(600)
"""


async def chatting(queen: QueenDouble, home: Path) -> Assignment:
    put_image(home, "hive/chatty:1", CHATTY)
    given = assignment(await queen.agree(image="hive/chatty:1"), image="hive/chatty:1", port=None)
    await queen.want(given)
    await queen.until(lambda: queen.is_seen(given, "healthy"))
    return given


async def told(connection: asyncssh.SSHClientConnection, tail: str = "") -> asyncssh.SSHCompletedProcess:
    env = {"HIVE_TAIL": tail} if tail else {}
    return await connection.run(subsystem="hive-logs", env=env, encoding=None)


async def test_it_tells_the_last_lines(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await chatting(queen, home)
        async with console(queen, given) as connection:
            result = await told(connection, "3")
            assert result.exit_status == 0
            assert isinstance(result.stdout, bytes)
            lines = result.stdout.decode().splitlines()
            assert lines == ["line 399", "line 400", "ÿ on the error stream"]
            assert len(bytes((await told(connection)).stdout or b"").splitlines()) == LINES


async def test_it_tells_them_where_no_shell_is_allowed(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    home.mkdir()
    config = config_for(queen.url, "process")
    write_config(home, replace(config, rules=replace(config.rules, console=False)))
    assert read_config(home).rules.console is False
    async with running_bee():
        given = await chatting(queen, home)
        async with console(queen, given) as connection:
            assert b"line 400" in bytes((await told(connection)).stdout or b"")
            shell = await connection.run("id")
            assert "allows no shells" in str(shell.stderr)
            assert shell.exit_status == 1


async def test_it_knows_no_other_subsystem(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await chatting(queen, home)
        async with console(queen, given) as connection:
            result = await connection.run(subsystem="netconf", encoding=None)
            assert (result.stderr, result.exit_status) == (b"this bee has no subsystem netconf\r\n", 1)


async def test_it_says_when_nothing_runs(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await chatting(queen, home)
        await queen.want()
        await queen.until(lambda: queen.is_seen(given, "stopped"))
        async with console(queen, given) as connection:
            result = await told(connection)
            assert (result.stderr, result.exit_status) == (b"this replica does not run here now", 1)


@pytest.mark.parametrize(
    ("asked", "lines"),
    [("", LINES), ("7", 7), ("0", 1), ("-3", LINES), ("many", LINES), ("9" * 30, MOST_LINES)],
)
def test_it_tells_as_many_lines_as_are_sensible(asked: str, lines: int) -> None:
    assert wanted_lines(asked) == lines
