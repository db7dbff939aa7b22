"""Which services belong near each other, and whether that can be at all."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class Affinity(BaseModel):
    """Near the replicas of another service: on their nodes, at their owners', in their regions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str
    by: str = "node"
    required: bool = False


def fault_of_affinity(name: str, affinities: Mapping[str, Affinity | None]) -> str | None:
    """Why the affinity of this service can't be; None when it can, or has none."""
    affinity = affinities[name]
    if affinity is None:
        return None
    if affinity.service == name:
        return "a service can't be near itself: x-hive.spread says how its own replicas lie"
    if affinity.service not in affinities:
        near = difflib.get_close_matches(affinity.service, affinities, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else f": there are {', '.join(affinities)}"
        return f'no service is called "{affinity.service}"{hint}'
    if circle := _circle(name, affinities):
        return f"each would wait for the other: {' -> '.join(circle)}; one of them can't be required"
    return None


def _circle(name: str, affinities: Mapping[str, Affinity | None]) -> list[str]:
    """The services that this one has to wait for, when it is one of them itself."""
    way = [name]
    while True:
        affinity = affinities.get(way[-1])
        if affinity is None or not affinity.required:
            return []
        if affinity.service in way:
            return [*way, affinity.service] if affinity.service == name else []
        way.append(affinity.service)
