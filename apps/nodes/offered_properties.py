"""Whether an offer's properties, which filters are asked of, say what its signed sizes and prices say."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from agent.protocol import Offer
from apps.money import round_glm

MOST_BYTES = 32 << 10
"""As JSON. A machine with eight GPUs and as many network cards has 4 KiB to say."""
MOST_MEMBERS = 256
"""Of a list: a filter's wildcards look at each. A processor has about 150 flags."""
_SIZES = {
    "golem.inf.cpu.threads": "cpu_threads",
    "golem.inf.mem.gib": "mem_gib",
    "golem.inf.storage.gib": "storage_gib",
}
_USAGE = {"golem.usage.cpu_sec": "cpu_second_glm", "golem.usage.duration_sec": "second_glm"}
_VECTOR, _COEFFICIENTS = "golem.com.usage.vector", "golem.com.pricing.model.linear.coeffs"
_EGRESS = "hive.com.egress-gib-glm"


def fault_of_properties(offer: Offer) -> str | None:
    """The first contradiction, which names the property; None without any. What is not said is none."""
    size = len(msgspec.json.encode(offer.properties))
    if size > MOST_BYTES:
        return f"properties: expected at most {MOST_BYTES} bytes, got {size}"
    said = offer.properties
    for name, value in said.items():
        if isinstance(value, list) and len(value) > MOST_MEMBERS:
            return f"{name[:60]}: expected at most {MOST_MEMBERS} members, got {len(value)}"
    for name, told, signed in _figures(offer):
        if told != signed:
            return f"{name}: says {_shown(said.get(name))}, but {signed} is signed"
    runtime = said.get("golem.runtime.name", offer.runtime)
    return (
        None
        if runtime == offer.runtime
        else f"golem.runtime.name: says {_shown(runtime)}, not the signed one"
    )


def _figures(offer: Offer) -> Iterator[tuple[str, Decimal | None, Decimal]]:
    """Property, what it says (None: no number), and what is signed of the same."""
    said = offer.properties
    for name, field in _SIZES.items():
        if name in said:
            yield name, _number(said[name]), getattr(offer, field)
    if _EGRESS in said:
        yield _EGRESS, _amount(said[_EGRESS]), offer.price.egress_gib_glm
    if _VECTOR in said or _COEFFICIENTS in said:
        yield from _prices(offer)


def _prices(offer: Offer) -> Iterator[tuple[str, Decimal | None, Decimal]]:
    """Golem's linear model: a coefficient for each part of the usage vector, and the start price last."""
    vector, coefficients = offer.properties.get(_VECTOR), offer.properties.get(_COEFFICIENTS)
    if not (isinstance(vector, list) and isinstance(coefficients, list)) or not _fit(vector, coefficients):
        yield _COEFFICIENTS, None, offer.price.start_glm
        return
    told = dict(zip(vector, coefficients, strict=False))
    for usage, part in _USAGE.items():
        yield _COEFFICIENTS, _amount(told.get(usage, 0)), getattr(offer.price, part)
    yield _COEFFICIENTS, _amount(coefficients[-1]), offer.price.start_glm


def _fit(vector: list[Any], coefficients: list[Any]) -> bool:
    return len(coefficients) == len(vector) + 1 and {str(each) for each in vector} <= _USAGE.keys()


def _amount(value: Any) -> Decimal | None:
    """Of GLM: Golem's own providers write them as floating-point numbers."""
    number = _number(value)
    return None if number is None or abs(number) > 1_000_000 else round_glm(number)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value)[:60])
    except (InvalidOperation, ValueError):  # a whole number of thousands of digits is no text
        return None
    return number if number.is_finite() else None


def _shown(value: Any) -> str:
    return repr(value)[:60]
