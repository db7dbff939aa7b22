"""What goes wrong, in the words of the Hive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Problem:
    """One fault of what was sent. `message` is a whole sentence, place and line included where known."""

    message: str
    place: str = ""


class HiveError(Exception):
    """The Hive refused, or could not be reached.

    `status` is the HTTP status, 0 when no answer came; `code` a word for programs (`unauthorized`,
    `not_found`, `manifest`, `insufficient_funds`, `unreachable`, ...); `place` what it is about.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int = 0,
        place: str = "",
        problems: list[Problem] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.status, self.place = message, code, status, place
        self.problems = problems or []

    @classmethod
    def from_response(cls, response: httpx.Response) -> HiveError:
        """Read `{"error": {...}}`; anything else did not come from a Hive."""
        told = _error_of(response)
        if told is None:
            return cls(
                f"{response.url} answered {response.status_code} {response.reason_phrase}: that is no Hive",
                code="not_a_hive",
                status=response.status_code,
            )
        problems = [Problem(str(p["message"]), str(p.get("place", ""))) for p in told.get("problems", [])]
        return cls(
            str(told["message"]),
            code=str(told["code"]),
            status=response.status_code,
            place=str(told.get("place", "")),
            problems=problems,
        )


def _error_of(response: httpx.Response) -> dict[str, Any] | None:
    try:
        told = response.json()["error"]
        return told if {"message", "code"} <= told.keys() else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
