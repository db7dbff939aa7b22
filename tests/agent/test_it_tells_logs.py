"""What a replica wrote, told by a real agent to a real SSH client over a real WebSocket."""

from __future__ import annotations

import asyncio
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


COUNTING = """
import itertools, time
for number in itertools.count():
    print(number)
    time.sleep(0.05)
"""


async def placed(queen: QueenDouble, home: Path, program: str) -> Assignment:
    put_image(home, "hive/chatty:1", program)
    given = assignment(await queen.agree(image="hive/chatty:1"), image="hive/chatty:1", port=None)
    await queen.want(given)
    await queen.until(lambda: queen.is_seen(given, "healthy"))
    return given


async def told(
    connection: asyncssh.SSHClientConnection, tail: str = "", *, after: str = ""
) -> asyncssh.SSHCompletedProcess:
    asked = {"HIVE_TAIL": tail, "HIVE_AFTER": after}
    env = {name: value for name, value in asked.items() if value}
    return await connection.run(subsystem="hive-logs", env=env, encoding=None)


async def test_it_tells_the_last_lines(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await placed(queen, home, CHATTY)
        async with console(queen, given) as connection:
            result = await told(connection, "3")
            assert result.exit_status == 0
            assert isinstance(result.stdout, bytes)
            lines = result.stdout.decode().splitlines()
            assert lines == ["line 399", "line 400", "ÿ on the error stream"]
            assert len(bytes((await told(connection)).stdout or b"").splitlines()) == LINES


async def test_it_tells_who_follows_each_line_once(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await placed(queen, home, COUNTING)
        heard, mark = b"", "-"
        async with console(queen, given) as connection, asyncio.timeout(10):
            while heard.count(b"\n") < 12:
                result = await told(connection, "1", after=mark)
                mark, _, more = bytes(result.stdout or b"").decode().partition("\n")
                heard += more.encode()
                await asyncio.sleep(0.1)
        numbers = [int(line) for line in heard.split()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_it_begins_anew_for_a_mark_of_another_run(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee():
        given = await placed(queen, home, CHATTY)
        async with console(queen, given) as connection:
            result = await told(connection, "2", after="of-another-run/999999")
            mark, *lines = bytes(result.stdout or b"").decode().splitlines()
            assert "/" in mark
            assert lines == ["line 400", "ÿ on the error stream"]


async def test_it_tells_them_where_no_shell_is_allowed(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    home.mkdir()
    config = config_for(queen.url, "process")
    write_config(home, replace(config, rules=replace(config.rules, console=False)))
    assert read_config(home).rules.console is False
    async with running_bee():
        given = await placed(queen, home, CHATTY)
        async with console(queen, given) as connection:
            assert b"line 400" in bytes((await told(connection)).stdout or b"")
            shell = await connection.run("id")
            assert "allows no shells" in str(shell.stderr)
            assert shell.exit_status == 1


async def test_it_knows_no_other_subsystem(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await placed(queen, home, CHATTY)
        async with console(queen, given) as connection:
            result = await connection.run(subsystem="netconf", encoding=None)
            assert (result.stderr, result.exit_status) == (b"this bee has no subsystem netconf\r\n", 1)


async def test_it_says_when_nothing_runs(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = await placed(queen, home, CHATTY)
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
