"""The money of a lease: what to hold before the price is known, what once it is, and what a renewal adds.

Before an agreement the price is the market's quote for this very replica; where no offer fits the limit it is
the limit itself, because the negotiation may still end there. Once the agreement is signed the hold is topped
up to `start price + rate x lease` at the agreed rate; what is held beyond that is left for later.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from apps.billing.budgets.capping import CapReached
from apps.billing.budgets.key_limits import KeyExhausted
from apps.billing.invoicing.suspending import TeamSuspended
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.metering.rated import readings
from apps.billing.models import Budget, Hold, MeterReading
from apps.deployments.manifest import ServiceSpec
from apps.deployments.replicas import Assignment, Replica
from apps.market.models import Agreement
from apps.money import plain, round_glm

LEAST_GLM = Decimal(1).scaleb(-18)
"""A hold of nothing can't be made; a free offer holds this."""
HEEDED = timedelta(minutes=10)
"""So long what a Bee asked is held against what the market quotes; later it may have become cheaper."""


def lease_of(spec: ServiceSpec) -> timedelta:
    return timedelta(seconds=spec.lease_s or settings.HIVE_LEASE_S)


def cost_glm(*, price_per_hour_glm: Decimal, span: timedelta, start_glm: Decimal = Decimal(0)) -> Decimal:
    """The most this span can cost without egress: rate x time, and the start price with the first lease."""
    hours = Decimal(str(max(span.total_seconds(), 0.0))) / 3600
    return max(round_glm(start_glm + price_per_hour_glm * hours), LEAST_GLM)


def lease_glm(agreement: Agreement, *, lease: timedelta) -> Decimal:
    """What the first lease under this agreement costs at most."""
    return cost_glm(
        price_per_hour_glm=agreement.price_per_hour_glm, span=lease, start_glm=agreement.start_glm
    )


def first_lease_until(agreement: Agreement, *, lease: timedelta, now: datetime) -> datetime:
    """It runs from the moment that both have signed, so that what was held for a lease pays just that.

    Unless half of it has passed by now: then it is longer, and costs more.
    """
    return max((agreement.approved_at or agreement.valid_from) + lease, now + lease / 2)


def unpaid_glm(replica: Replica, *, now: datetime) -> Decimal:
    """What the Bee that was just found for it would have cost, where money lacked for that; else 0.

    So much is held before the next is asked: else it would be asked and let go again and again.
    """
    recent = Agreement.objects.filter(approved_at__gt=now - HEEDED, assignment=None)
    agreement = recent.filter(demand__reference=replica.reference_of(replica.generation - 1)).first()
    return lease_glm(agreement, lease=lease_of(replica.runs)) if agreement else Decimal(0)


def missing_glm(*, agreement: Agreement, hold: Hold, until: datetime) -> Decimal:
    """What the hold lacks to pay everything not yet rated and the lease up to `until`."""
    return _missing(agreement, hold, until=until, reading=readings([agreement.pk])[agreement.pk])


def missing_of(assignments: Collection[Assignment], *, now: datetime) -> dict[object, Decimal]:
    """The same for many and one more lease of each, by assignment; each with its agreement and its hold."""
    found = readings([one.agreement_id for one in assignments])
    return {
        one.pk: _missing(
            one.agreement,
            one.agreement.hold,
            until=max(now + lease_of(one.replica.runs), one.lease_until),
            reading=found[one.agreement_id],
        )
        for one in assignments
    }


def _missing(agreement: Agreement, hold: Hold, *, until: datetime, reading: MeterReading) -> Decimal:
    needed = cost_glm(
        price_per_hour_glm=agreement.price_per_hour_glm,
        span=until - _rated_to(agreement, reading),
        start_glm=Decimal(0) if reading.has_run else agreement.start_glm,
    )
    return max(needed - (hold.amount - hold.posted), Decimal(0))


def _rated_to(agreement: Agreement, reading: MeterReading) -> datetime:
    """Until when what ran was paid.

    A Bee dates its reports. Where it dates ahead its meter is read as far as the reports had come in, and
    before both had signed nothing is paid: neither changes what its next lease costs.
    """
    begun_at = agreement.approved_at or agreement.valid_from
    return max(datetime.fromtimestamp(reading.ended_at_ms / 1000, tz=UTC), begun_at)


def shortage(budget: Budget, error: InsufficientFunds) -> str:
    """ "budget demo/main has 0.1 GLM available, needs 0.5": for the person who can change it."""
    if isinstance(error, CapReached | KeyExhausted | TeamSuspended):
        return str(error)
    return f"budget {budget} has {plain(error.available)} GLM available, needs {plain(error.needed)} GLM"
