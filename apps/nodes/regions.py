"""Where a node says that it is, held against the time that a message takes to it and back. All pure.

The Queen knows where she is (`HIVE_REGION`) and what she measured. Light in fibre needs a millisecond for
each 100 km of distance there and back: whoever answers faster is nearer than it says. Ways are longer than
the distance, and a home's own line takes its time: whoever answers much more slowly than that is farther, or
is of no use to those who ask for the region.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("regions.json")
EARTH_RADIUS_KM = 6371.0
KM_PER_ROUND_TRIP_MS = 100.0
"""Light makes 204 km a millisecond in glass, and goes twice. The group index of standard single-mode fibre is
1.468, as its makers' data sheets give it."""
DETOUR = 2.0
"""Cables are so much longer than the distance, at the most that we take for ordinary."""
ACCESS_MS = 60.0
"""What a home's line, both machines and the answer itself may take besides."""


@dataclass(frozen=True, slots=True)
class Region:
    """Somewhere within `radius_km` of a city."""

    code: str
    city: str
    latitude: float
    longitude: float
    radius_km: float


@cache
def table() -> dict[str, Region]:
    """By code: every region that the Hive knows."""
    told: dict[str, dict[str, Any]] = json.loads(_TABLE.read_text())["regions"]
    return {code: Region(code=code, **fields) for code, fields in told.items()}


def doubt(declared: str, *, queen: str, round_trip_ms: float | None) -> str:
    """Why the declared region is not believed; empty when it is, or when nobody can tell.

    `queen` is the code of the Queen's own region, "" when she has not been told.
    """
    if not declared:
        return ""
    region, here = table().get(declared), table().get(queen)
    if region is None:
        return f"the Hive knows no region {declared[:40]}"
    if here is None or round_trip_ms is None:
        return ""
    return _doubt_of_time(region, here, round_trip_ms)


def least_ms(region: Region, here: Region) -> float:
    """No signal is there and back sooner, wherever in both regions the two are."""
    apart_km = distance_km(region, here) - region.radius_km - here.radius_km
    return max(0.0, apart_km) / KM_PER_ROUND_TRIP_MS


def most_ms(region: Region, here: Region) -> float:
    """Whoever takes longer is hardly there."""
    apart_km = distance_km(region, here) + region.radius_km + here.radius_km
    return apart_km / KM_PER_ROUND_TRIP_MS * DETOUR + ACCESS_MS


def distance_km(one: Region, other: Region) -> float:
    """Along the great circle, by the haversine formula."""
    north, other_north = math.radians(one.latitude), math.radians(other.latitude)
    east = math.radians(other.longitude - one.longitude)
    chord = (
        math.sin((other_north - north) / 2) ** 2
        + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


def _doubt_of_time(region: Region, here: Region, round_trip_ms: float) -> str:
    least, most = least_ms(region, here), most_ms(region, here)
    if round_trip_ms < least:
        return (
            f"it answers within {round_trip_ms:.0f} ms, and no signal is back "
            f"from {region.code} sooner than after {least:.0f} ms"
        )
    if round_trip_ms > most:
        return f"it took {round_trip_ms:.0f} ms to answer, and from {region.code} {most:.0f} ms are enough"
    return ""
