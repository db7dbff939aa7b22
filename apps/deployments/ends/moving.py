"""The states of a deployment's money: short, asked, over, and funded again; who is told of it.

It stands on the deployment's cap (`CapState`). What follows from it is carried out by `carrying_out`.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from apps.billing.budgets.key_limits import KeyExhausted
from apps.billing.invoicing.suspending import TeamSuspended
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.models import AtEnd, BudgetCap, CapState
from apps.deployments import funding
from apps.deployments.ends.lacking import Lack, lacks_of, needed_by
from apps.deployments.ends.telling import tell
from apps.deployments.live import announce
from apps.deployments.models import Deployment
from apps.money import ZERO
from apps.teams.audit import Actor
from apps.teams.states import StaleState

MONEY = Actor.queen("budgets")
STOP_BEFORE = timedelta(seconds=10)
"""So long before the first lease runs out a deployment is stopped: its visitors have left by then."""
SHORT = frozenset({CapState.ENDING, CapState.ASKED})


@transaction.atomic
def run_short(deployment: Deployment, shortage: InsufficientFunds, *, now: datetime) -> None:
    """Its budget, or its cap, could not pay a lease: what the team has chosen for that begins.

    Where it has begun already, and where a key's limit or a suspended team is the reason, nothing changes.
    """
    if isinstance(shortage, KeyExhausted | TeamSuspended):
        return
    cap = _cap_of(deployment)
    if cap.state == CapState.FUNDED:
        move_short(
            deployment, cap, lacks_of(deployment, now=now), funding.shortage(cap.budget, shortage), now=now
        )


def move_short(
    deployment: Deployment, cap: BudgetCap, lacks: Collection[Lack], why: str, *, now: datetime
) -> None:
    """To what its team's choice asks for, and tell the owners."""
    state, deadline_at = _way(cap, lacks, now=now)
    with suppress(StaleState):  # another worker was faster
        cap.move_to(
            state,
            actor=MONEY,
            reason=why,
            deadline_at=deadline_at,
            needed_glm=needed_by(lacks),
            beside_glm=ZERO,
        )
        tell(deployment, cap, why=why)
        announce(deployment.pk)


def _way(cap: BudgetCap, lacks: Collection[Lack], *, now: datetime) -> tuple[CapState, datetime]:
    if cap.choice == AtEnd.ASK:
        return CapState.ASKED, answer_by(now)
    return CapState.ENDING, ends_at(lacks, now=now)


def answer_by(now: datetime) -> datetime:
    """So long owners have to say what shall become of it."""
    return now + timedelta(seconds=settings.HIVE_ASK_BUDGET_S)


def ends_at(lacks: Collection[Lack], *, now: datetime) -> datetime:
    """When something has to be done at the latest: before the first lease runs out. Pure."""
    leases = [lack.lease_until for lack in lacks if lack.lease_until is not None]
    return max(min(leases) - STOP_BEFORE, now) if leases else now


def begin_anew(deployment: Deployment, *, actor: Actor, reason: str) -> None:
    """It is applied or started again: whatever became of its money before is over."""
    _move(deployment, CapState.FUNDED, actor=actor, reason=reason)
    forget_needed(deployment)


def forget_needed(deployment: Deployment) -> None:
    """Nothing that was let go waits for money any more; where something still does it is noted again."""
    funded = BudgetCap.objects.filter(pk=deployment.cap_id, state=CapState.FUNDED)
    funded.exclude(needed_glm=0, beside_glm=0).update(needed_glm=0, beside_glm=0)


def has_ended(deployment: Deployment, *, actor: Actor, reason: str) -> None:
    """It was stopped while its money was short: that was the answer."""
    cap = _cap_of(deployment)
    if cap.state in SHORT:
        _move(deployment, CapState.ENDED, actor=actor, reason=reason)


def waits_until(deployment: Deployment) -> datetime | None:
    """Until when a replica without money waits for an answer; None when nobody is asked anything."""
    cap = _cap_of(deployment)
    return cap.deadline_at if cap.state in SHORT else None


def _move(deployment: Deployment, state: CapState, *, actor: Actor, reason: str) -> None:
    cap = _cap_of(deployment)
    if cap.state != state and cap.can_move_to(state):
        with suppress(StaleState):
            cap.move_to(state, actor=actor, reason=reason, needed_glm=ZERO, beside_glm=ZERO)


def _cap_of(deployment: Deployment) -> BudgetCap:
    """As it is now, whatever was read before."""
    return BudgetCap.objects.select_related("budget__team", "budget__available").get(pk=deployment.cap_id)
