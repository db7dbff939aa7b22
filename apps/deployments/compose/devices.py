"""GPUs, as Compose writes them: under deploy.resources.reservations.devices, or short, under gpus.

Source: https://github.com/compose-spec/compose-spec/blob/main/deploy.md#devices
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator

from apps.deployments.compose import values
from apps.deployments.compose.section import Section

MAX_GPUS = 1024
_HOW_MANY = "say how many, for example count: 1: GPUs are rented one by one"


def gpus(value: Any) -> int:
    if value in ("all", -1):
        raise ValueError(_HOW_MANY)
    return values.whole_number(value, least=1, most=MAX_GPUS)


def _driver(value: Any) -> str:
    if value not in ("nvidia", "cdi"):
        raise values.expected("nvidia", value)
    return str(value)


def _capabilities(value: Any) -> list[str]:
    if not isinstance(value, list) or "gpu" not in value:
        raise values.expected("a list with gpu in it: no other devices can be rented", value)
    return [values.text(each) for each in value]


class Device(Section):
    capabilities: Annotated[list[str], PlainValidator(_capabilities)] = ["gpu"]
    count: Annotated[int, PlainValidator(gpus)]
    driver: Annotated[str, PlainValidator(_driver)] = "nvidia"


class ReservedDevice(Device):
    """There Compose wants to hear what the device is for."""

    capabilities: Annotated[list[str], PlainValidator(_capabilities)]


def short(value: Any) -> Any:
    """`gpus: 2` as the list of devices that it stands for."""
    return [{"count": value}] if isinstance(value, int | str) and not isinstance(value, bool) else value
