"""How much of a machine: the one bundle of resources, its columns, and how sizes are told to people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal

from django.db import models

from apps.money import ZERO

MIB_PER_GIB = 1024
_ROUND_MIB = 8


@dataclass(frozen=True, slots=True)
class Size:
    """What is asked, offered, rented or left. Nought of storage or GPUs asks for none of its own."""

    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal = ZERO
    gpus: int = 0


class Sized(models.Model):
    """Whatever has a size."""

    cpu_threads = models.DecimalField(max_digits=10, decimal_places=3)
    mem_gib = models.DecimalField(max_digits=12, decimal_places=3)
    storage_gib = models.DecimalField(max_digits=12, decimal_places=3, default=ZERO)
    gpus = models.PositiveSmallIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def size(self) -> Size:
        return Size(
            cpu_threads=self.cpu_threads,
            mem_gib=self.mem_gib,
            storage_gib=self.storage_gib,
            gpus=self.gpus,
        )


def size_columns(size: Size) -> dict[str, Decimal | int]:
    """What `Sized` keeps of it."""
    return asdict(size)


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
