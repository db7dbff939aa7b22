"""What was let go for want of money comes back by itself, the most important first, as far as it is funded.

A replica is funded when there is money for two whole leases of it, beside one more lease of all that runs on
the same budget, two of what is about to start on it, and what others of it are short of. It was let go for
want of less than one: so it does not come back with what its own end gave back, nor go again as soon as its
first lease is over. Deployments of one budget are looked at one after the other: no two come back on the same
money.

Once somebody scales the service, or applies a file, that holds, and nothing of it comes back. What was
stopped as a whole stays so until somebody starts it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from apps.billing.invoicing.suspending import TeamSuspended, must_not_be_suspended
from apps.billing.models import Budget, BudgetCap, CapState
from apps.deployments import applying, funding, keyed
from apps.deployments.ends.lacking import Lack, importance, lacks_of, lacks_without_money, needed_by
from apps.deployments.ends.moving import MONEY
from apps.deployments.ends.sparing import LEASES, others_glm, own_glm, spare_glm
from apps.deployments.ends.taking import locked_services
from apps.deployments.ends.telling import tell_restored
from apps.deployments.models import Deployment, Service, Wanted
from apps.deployments.replicas import Replica
from apps.money import ZERO

log = logging.getLogger("hive.deployments")


def grow_back() -> int:
    """Look at each deployment of which something was let go. Returns how many replicas came back."""
    funded = Deployment.objects.filter(wanted=Wanted.RUNNING, cap__state=CapState.FUNDED)
    lacking = funded.filter(services__taken__gt=0).annotate(since=Min("services__taken_at"))
    return sum(_grow_or_log(pk) for pk in list(lacking.order_by("since").values_list("pk", flat=True)))


def funded_of(taken: Collection[Lack], *, spare_glm: Decimal) -> list[Lack]:
    """Those that come back, what went last first. Pure.

    Nothing overtakes a more important one for which there is not enough yet.
    """
    back: list[Lack] = []
    for lack in sorted(taken, key=importance, reverse=True):
        spare_glm -= LEASES * lack.needed_glm
        if spare_glm < 0:
            break
        back.append(lack)
    return back


def _grow_or_log(pk: UUID) -> int:
    try:
        return _grow_back(pk)
    except Exception:  # one that fails holds up no other
        log.exception("what was let go of deployment %s can't be looked at; it is tried again", pk)
        return 0


@transaction.atomic
def _grow_back(pk: UUID) -> int:
    """Under the deployment's lock: of several workers one does it. And under its budget's, after that.

    It keeps nobody from holding money; but nobody else brings back what the same money is for.
    """
    rows = Deployment.objects.select_for_update(skip_locked=True, of=("self",))
    deployment = rows.filter(pk=pk, wanted=Wanted.RUNNING, cap__state=CapState.FUNDED).first()
    if deployment is None:
        return 0
    services = {service.name: service for service in locked_services(deployment) if service.taken}
    Budget.objects.select_for_update(no_key=True).get(pk=deployment.budget_id)
    now = timezone.now()
    cap = BudgetCap.objects.select_related("budget__team", "budget__available").get(pk=deployment.cap_id)
    taken, others = _taken(services.values()), others_glm(cap)
    own = own_glm(deployment, lacks_of(deployment, now=now))
    back = funded_of(taken, spare_glm=spare_glm(cap, own_glm=own, others_glm=others))
    while back and _why_not(deployment, services, back, now=now):
        back.pop()
    if back:
        _bring_back(deployment, services, back)
    own += LEASES * needed_by(back)
    _note_needed(cap, [lack for lack in taken if lack not in back], own_glm=own, others_glm=others)
    return len(back)


def _taken(services: Collection[Service]) -> list[Lack]:
    """One for each that was let go: the first slots beyond those that are wanted."""
    there = {(one.service_id, one.index): one for one in Replica.objects.filter(service__in=services)}
    gone = [
        there.get((service.pk, index)) or Replica(service=service, index=index, spec=service.spec)
        for service in services
        for index in range(service.replicas_wanted + 1, service.replicas_wanted + service.taken + 1)
    ]
    by_id = {service.pk: service for service in services}
    for replica in gone:
        replica.service = by_id[replica.service_id]
    return lacks_without_money(gone)


def _why_not(deployment: Deployment, services: dict[str, Service], back: list[Lack], *, now: datetime) -> str:
    """Why these would not be placed though the money is there: its team, or its key, may not spend it."""
    try:
        must_not_be_suspended(deployment.team_id, needed_glm=needed_by(back))
    except TeamSuspended as suspended:
        return str(suspended)
    per_hour_glm = sum(
        each.needed_glm * 3600 / Decimal(funding.lease_of(services[each.service].wants).total_seconds())
        for each in back
    )
    return keyed.why_not_more(
        deployment, added_glm=needed_by(back), added_per_hour_glm=Decimal(per_hour_glm), now=now
    )


def _bring_back(deployment: Deployment, services: dict[str, Service], back: list[Lack]) -> None:
    for name, more in sorted(Counter(lack.service for lack in back).items()):
        service = services[name]
        applying.scale(
            service,
            service.replicas_wanted + more,
            actor=MONEY,
            why="for they are funded again",
            taken=service.taken - more,
        )
    tell_restored(deployment, list(services.values()), [f"{each.service}-{each.index}" for each in back])


def _note_needed(cap: BudgetCap, left: list[Lack], *, own_glm: Decimal, others_glm: Decimal) -> None:
    """What has to be there, of its own and besides, so that the next of them comes back; people see it."""
    after = max(left, key=importance, default=None)
    needed_glm = own_glm + LEASES * after.needed_glm if after else ZERO
    beside_glm = others_glm if after else ZERO
    funded = BudgetCap.objects.filter(pk=cap.pk, state=CapState.FUNDED)
    noted = funded.exclude(needed_glm=needed_glm, beside_glm=beside_glm)
    noted.update(needed_glm=needed_glm, beside_glm=beside_glm)
