"""Money on the wire: exact decimal GLM, one rounding, and Golem's linear price model."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

SECONDS_PER_HOUR = Decimal(3600)
BYTES_PER_GIB = Decimal(1 << 30)
_WEI = Decimal(1).scaleb(-18)
# 78 digits hold the product of two 38-digit amounts: nothing is lost before the one rounding below.
_EXACT = Context(prec=78, rounding=ROUND_HALF_EVEN)


def round_glm(amount: Decimal) -> Decimal:
    """Round to 18 places, half to even: the only rounding of money in the Hive."""
    return amount.quantize(_WEI, context=_EXACT)


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """A tax, for one: rounded once."""
    return round_glm(_EXACT.divide(_EXACT.multiply(amount, percent), Decimal(100)))


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Golem's linear price model (`golem.com.pricing.model.linear.coeffs`) and a price for egress, in GLM."""

    start_glm: Decimal = Decimal(0)
    cpu_second_glm: Decimal = Decimal(0)
    second_glm: Decimal = Decimal(0)
    egress_gib_glm: Decimal = Decimal(0)

    def cost_glm(self, *, duration_s: Decimal, cpu_s: Decimal, egress_bytes: int, first: bool) -> Decimal:
        """What this usage costs, rounded once. `first` adds the start price."""
        exact = _EXACT.add(
            _EXACT.add(
                _EXACT.multiply(self.second_glm, duration_s),
                _EXACT.multiply(self.cpu_second_glm, cpu_s),
            ),
            _EXACT.multiply(self.egress_gib_glm, _EXACT.divide(Decimal(egress_bytes), BYTES_PER_GIB)),
        )
        return round_glm(_EXACT.add(exact, self.start_glm) if first else exact)

    def per_hour_glm(self, cpu_threads: Decimal) -> Decimal:
        """The most an hour can cost without egress: every thread busy all the time, start price left out."""
        return self.cost_glm(
            duration_s=SECONDS_PER_HOUR,
            cpu_s=SECONDS_PER_HOUR * cpu_threads,
            egress_bytes=0,
            first=False,
        )
