"""What is not wrong in a Compose file, but not as its author may think: places and sentences."""

from __future__ import annotations

from apps.deployments.compose.file import ComposeFile
from apps.deployments.compose.problems import Path
from apps.market.filters.advice import advice_on
from apps.market.filters.parse import parse

Notes = list[tuple[Path, str]]


def notes_on(file: ComposeFile) -> Notes:
    return _on_restarts(file) + _on_constraints(file)


def _on_restarts(file: ComposeFile) -> Notes:
    return [
        (("services", name, "restart"), "a service runs until it is stopped: a replica that ends is replaced")
        for name, service in file.services.items()
        if service.restart == "no"
    ]


def _on_constraints(file: ComposeFile) -> Notes:
    """Slips of the pen. In a Compose file a dollar sign is written twice."""
    places: list[tuple[Path, str]] = [(("x-hive", "constraints"), file.hive.constraints)]
    for name, service in file.services.items():
        places.append((("services", name, "x-hive", "constraints"), service.hive.constraints))
    return [
        (path, advice.replace("$", "$$"))
        for path, constraints in places
        for advice in advice_on(parse(constraints))
    ]
