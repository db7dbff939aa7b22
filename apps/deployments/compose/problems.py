"""What is wrong with a Compose file: always the place, the line, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where something is: ("services", "web", "ports", 0)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, or (as a note) one thing that is not as its author may think."""

    place: str
    line: int | None
    message: str
    file_name: str = "compose.yaml"

    def __str__(self) -> str:
        where = f"{self.file_name}, line {self.line}" if self.line else self.file_name
        return f"{self.place}: {self.message} ({where})" if self.place else f"{self.message} ({where})"


class ManifestError(ValueError):
    """A Compose file that can't be deployed as it is; all of its problems, in the order of lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def place_of(path: Path) -> str:
    """("services", "web", "ports", 0) -> "services.web.ports[0]"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
