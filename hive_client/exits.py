"""Exit statuses of `hive`, and which error of the Hive means which."""

from __future__ import annotations

from enum import IntEnum

from hive_client.errors import HiveError


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    LOGIN = 3
    NOT_FOUND = 4
    INVALID = 5
    REFUSED = 6
    UNREACHABLE = 7


MEANING = {
    Exit.OK: "done",
    Exit.FAILED: "failed, or not healthy in time",
    Exit.USAGE: "the command was misspelt",
    Exit.LOGIN: "not logged in, or the token is refused",
    Exit.NOT_FOUND: "no such thing within reach of your team",
    Exit.INVALID: "the file or a value is not valid",
    Exit.REFUSED: "refused: budget, role, key or state do not allow it",
    Exit.UNREACHABLE: "no Hive answers",
}

_BY_STATUS = {
    400: Exit.INVALID,
    401: Exit.LOGIN,
    402: Exit.REFUSED,
    403: Exit.REFUSED,
    404: Exit.NOT_FOUND,
    409: Exit.REFUSED,
    413: Exit.INVALID,
    422: Exit.REFUSED,
    429: Exit.REFUSED,
}
_BY_CODE = {
    "usage": Exit.USAGE,
    "unreachable": Exit.UNREACHABLE,
    "not_a_hive": Exit.UNREACHABLE,
    "changed": Exit.REFUSED,
}


def exit_for(error: HiveError) -> Exit:
    return _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, Exit.FAILED)


def table_of_exits() -> str:
    """For the end of `hive --help`; the \\b keeps click from wrapping it."""
    lines = "\n".join(f"  {int(code)}  {text}" for code, text in MEANING.items())
    return f"\b\nExit status:\n{lines}"
