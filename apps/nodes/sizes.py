"""How sizes are told to people."""

from __future__ import annotations

from decimal import Decimal

MIB_PER_GIB = 1024
_ROUND_MIB = 8


def memory(mem_gib: Decimal) -> str:
    """64 MiB, 1.5 GiB.

    Kept are thousandths of a GiB: what may have been a multiple of 8 MiB is told as one.
    """
    if mem_gib >= 1 or mem_gib == 0:
        text = f"{mem_gib:f}"
        return f"{text.rstrip('0').rstrip('.') if '.' in text else text} GiB"
    mib = mem_gib * MIB_PER_GIB
    even = round(mib / _ROUND_MIB) * _ROUND_MIB
    return f"{even if abs(even - mib) < Decimal('0.52') else round(mib)} MiB"
