"""pydantic's errors in the words of the file: place, what was expected, what was found, what to do."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ValidationError

from apps.deployments.compose.advice import HARMLESS, REMEDIES, advice_for
from apps.deployments.compose.file import keys_at
from apps.deployments.compose.problems import Path
from apps.deployments.compose.source import Source
from apps.deployments.compose.values import shown


def explain(error: ValidationError, source: Source) -> None:
    """Add a problem to `source` for each error."""
    for detail in error.errors(include_url=False):
        path, message = _place_and_message(detail)
        source.add(path, message)


def _place_and_message(detail: Any) -> tuple[Path, str]:
    path: Path = tuple(part for part in detail["loc"] if part != "[key]")
    match detail["type"]:
        case "extra_forbidden":
            return path, _unknown(path)
        case "missing":
            return path, _missing(path)
        case "value_error":
            return path, str(detail["ctx"]["error"])
        case "dict_type" | "model_type":
            return path, f"expected a map, got {shown(detail['input'])}"
        case "too_short":
            return path, "expected at least one service"
    return path, f"{detail['msg']}, got {shown(detail['input'])}"


def _unknown(path: Path) -> str:
    if remedy := advice_for(REMEDIES, path):
        return remedy
    known = keys_at(path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.7)
    if near:
        return f'unknown key; did you mean "{near[0]}"?'
    if any(path[-1] == pattern[-1] for pattern in {**HARMLESS, **REMEDIES}):
        return "unknown key at this place; see whether it is indented as it should be"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def _missing(path: Path) -> str:
    if path[-1] == "image":
        return 'missing: every service needs an image, for example image: "nginx:1.29"'
    return "missing: name what should run under services" if path == ("services",) else "missing"
