"""What a deployment lacks to go on for one more lease, replica by replica, and which of them go first.

`let_go` is plain; the rest reads what it needs in a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum

from apps.billing.models import Hold, HoldState
from apps.deployments import funding
from apps.deployments.models import Deployment
from apps.deployments.replicas import Assignment, AssignmentState, Replica, ReplicaState
from apps.money import ZERO

WITHOUT_MONEY = frozenset({ReplicaState.PENDING, ReplicaState.FAILED})
STARTS = frozenset({ReplicaState.PENDING, ReplicaState.STOPPING, ReplicaState.STOPPED})
"""In which a replica that is wanted (again) will soon ask for money: one that stops is revived after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """One replica that is wanted."""

    service: str
    index: int
    priority: int
    needed_glm: Decimal
    """For its next lease, beyond what is held for it."""
    left_glm: Decimal = ZERO
    """Held for it and not spent: comes back when it is let go."""
    lease_until: datetime | None = None
    """None for one that does not run."""

    @property
    def runs(self) -> bool:
        return self.lease_until is not None


def importance(lack: Lack) -> tuple[int, int, str]:
    """The least goes first and comes back last; of one priority the highest number goes first."""
    return lack.priority, -lack.index, lack.service


def let_go(lacks: Collection[Lack], *, room_glm: Decimal) -> list[Lack]:
    """Those without which the others last one more lease, the least important first. Pure.

    What is held for those that go comes back to the others.
    """
    gone: list[Lack] = []
    needed = needed_by(lacks)
    for lack in sorted(lacks, key=importance):
        if needed <= room_glm:
            break
        gone.append(lack)
        needed, room_glm = needed - lack.needed_glm, room_glm + lack.left_glm
    return gone


def lacks_of(deployment: Deployment, *, now: datetime) -> list[Lack]:
    """Of all replicas that it wants, but for those that have the money to start."""
    active = Assignment.objects.filter(replica=OuterRef("pk"), state=AssignmentState.ACTIVE)
    rows = wanted().filter(service__deployment=deployment).annotate(active=Subquery(active.values("pk")[:1]))
    replicas = list(rows.select_related("service"))
    running = _running([replica.active for replica in replicas if replica.active])
    missing = funding.missing_of(list(running.values()), now=now)
    waiting = [one for one in replicas if one.pk not in running and one.state in WITHOUT_MONEY]
    return [
        *(_lack(one, running[one.pk], missing[running[one.pk].pk]) for one in replicas if one.pk in running),
        *lacks_without_money(waiting),
    ]


def wanted() -> QuerySet[Replica]:
    """The slots that their services want, whether their deployments run or are stopped."""
    return Replica.objects.filter(index__lte=F("service__replicas_wanted"))


def lacks_without_money(replicas: Collection[Replica]) -> list[Lack]:
    """Of replicas for which nothing is held: the whole of their next lease."""
    prices = _last_prices(replicas)
    return [_waits(one, prices.get(one.pk)) for one in replicas]


def coming_back_glm(deployment: Deployment) -> Decimal:
    """Held under its cap for what runs no more: free when the last usage of that is rated."""
    needed = wanted().filter(service__deployment=deployment, hold__isnull=False)
    held = Hold.objects.filter(cap=deployment.cap_id, state=HoldState.HELD)
    gone = held.exclude(pk__in=needed.values("hold"))
    return gone.aggregate(all=Sum(F("amount") - F("posted")))["all"] or ZERO


def needed_by(lacks: Iterable[Lack]) -> Decimal:
    """For one more lease of each of them, in GLM."""
    return sum((lack.needed_glm for lack in lacks), ZERO)


def _running(ids: list[UUID]) -> dict[UUID, Assignment]:
    rows = Assignment.objects.filter(pk__in=ids).select_related("agreement__hold", "replica__service")
    return {one.replica_id: one for one in rows}


def _lack(replica: Replica, assignment: Assignment, missing_glm: Decimal) -> Lack:
    return Lack(
        service=replica.service.name,
        index=replica.index,
        priority=replica.service.wants.priority,
        needed_glm=missing_glm,
        left_glm=assignment.agreement.hold.left_glm,
        lease_until=assignment.lease_until,
    )


def _waits(replica: Replica, price_per_hour_glm: Decimal | None) -> Lack:
    """It needs what it was refused last, or cost where it ran; failing both, what it may cost at most."""
    spec = replica.service.wants
    price = price_per_hour_glm or replica.planned_per_hour_glm or spec.max_price_per_hour_glm or ZERO
    cost_glm = funding.cost_glm(price_per_hour_glm=price, span=funding.lease_of(spec))
    return Lack(
        service=replica.service.name,
        index=replica.index,
        priority=spec.priority,
        needed_glm=cost_glm if replica.refused_glm is None else replica.refused_glm,
    )


def _last_prices(replicas: Collection[Replica]) -> dict[object, Decimal]:
    rows = Assignment.objects.filter(replica__in=[one.pk for one in replicas]).select_related("agreement")
    newest = rows.order_by("replica_id", "-generation").distinct("replica_id")
    return {one.replica_id: one.agreement.price_per_hour_glm for one in newest}
