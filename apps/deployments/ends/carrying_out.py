"""Carrying out what a team has chosen for the end of its money, and going on as soon as there is more.

Looked at again and again: what is there now is compared with what one more lease of everything needs, so
whatever was missed, and whoever paid in or raised a cap, the next look sees it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.billing.budgets.capping import room_glm
from apps.billing.models import AtEnd, BudgetCap, CapState
from apps.deployments import applying
from apps.deployments.ends.lacking import Lack, coming_back_glm, lacks_of, let_go, needed_by
from apps.deployments.ends.moving import MONEY, SHORT, answer_by, begin_anew, ends_at, move_short
from apps.deployments.ends.taking import take
from apps.deployments.ends.telling import tell_stopped
from apps.deployments.ends.wording import why_short
from apps.deployments.live import announce
from apps.deployments.models import Deployment, Wanted
from apps.deployments.replicas import Assignment, AssignmentState
from apps.money import ZERO

log = logging.getLogger("hive.deployments")

PATIENCE = timedelta(seconds=30)
"""So long what comes back from the replicas that went is waited for at least."""


def carry_out_ends() -> int:
    """Look at each deployment that is short of money. Returns at how many."""
    short = Deployment.objects.filter(cap__state__in=SHORT).order_by("cap__deadline_at")
    ids = list(short.values_list("pk", flat=True)[:500])
    for pk in ids:
        try:
            _carry_out(pk)
        except Exception:  # one that fails holds up no other
            log.exception("deployment %s is short of money, and can't be looked at; it is tried again", pk)
    return len(ids)


@transaction.atomic
def _carry_out(pk: UUID) -> None:
    """Under the deployment's lock: of several workers one does it."""
    rows = Deployment.objects.select_for_update(skip_locked=True, of=("self",))
    deployment = rows.filter(pk=pk, wanted=Wanted.RUNNING, cap__state__in=SHORT).first()
    if deployment is None:
        return
    cap = BudgetCap.objects.select_related("budget__team", "budget__available").get(pk=deployment.cap_id)
    now = timezone.now()
    lacks = lacks_of(deployment, now=now)
    _note_needed(deployment, cap, lacks)
    if needed_by(lacks) <= room_glm(cap):
        _go_on(deployment, now=now)
    elif (cap.state == CapState.ASKED) != (cap.choice == AtEnd.ASK):  # the team has chosen otherwise since
        move_short(deployment, cap, lacks, cap.reason, now=now)
    elif cap.choice == AtEnd.SCALE_DOWN:
        _scale_down(deployment, cap, lacks, now=now)
    else:
        _stop_in_time(deployment, cap, lacks, now=now)


def _note_needed(deployment: Deployment, cap: BudgetCap, lacks: list[Lack]) -> None:
    """Whoever is asked is told what is missing by now: once leases have run out, all of the next ones."""
    if (needed_glm := needed_by(lacks)) != cap.needed_glm:
        BudgetCap.objects.filter(pk=cap.pk, state=cap.state).update(needed_glm=needed_glm)
        cap.needed_glm = needed_glm
        announce(deployment.pk)


def _go_on(deployment: Deployment, *, now: datetime) -> None:
    """Without a new plan: leases are renewed, and what waits gets its whole time to be placed again."""
    active = Assignment.objects.filter(
        state=AssignmentState.ACTIVE, replica__service__deployment=deployment, renew_at__gt=now
    )
    # Those that were refused are due by now; a third of their lease is not waited for by the others.
    active.filter(lease_until__lt=now + timedelta(seconds=60)).update(renew_at=now)
    applying.try_again(deployment, reason="its money is there again")
    begin_anew(deployment, actor=MONEY, reason="its next leases are funded again")
    announce(deployment.pk)


def _stop_in_time(deployment: Deployment, cap: BudgetCap, lacks: list[Lack], *, now: datetime) -> None:
    """For want of a lease of what runs; what only waits ends nothing that is funded.

    Leases are renewed meanwhile, so the end is where the first of them runs out by now.
    """
    running = [lack for lack in lacks if lack.runs]
    lasts = needed_by(running or lacks) <= room_glm(cap) + coming_back_glm(deployment)
    deadline_at = cap.deadline_at if cap.state == CapState.ASKED else ends_at(running, now=now)
    if deadline_at is None or deadline_at <= now:
        if not lasts:
            return _stop(deployment, cap)
        deadline_at = answer_by(now) if cap.state == CapState.ASKED else now + PATIENCE
    if deadline_at != cap.deadline_at:
        _until(cap, deadline_at)


def _scale_down(deployment: Deployment, cap: BudgetCap, lacks: list[Lack], *, now: datetime) -> None:
    """What comes back from those that have gone counts, until it is too late for what runs to wait for it."""
    ends = ends_at(lacks, now=now)
    is_late = ends <= now and (cap.deadline_at is None or cap.deadline_at <= now)
    is_too_late = is_late and any(lack.runs for lack in lacks)
    coming_glm = ZERO if is_too_late else coming_back_glm(deployment)
    gone = let_go(lacks, room_glm=room_glm(cap) + coming_glm)
    if len(gone) == len(lacks):
        return _stop(deployment, cap)
    taken = take(deployment, gone, why=why_short(cap)) if gone else []
    stay = [lack for lack in lacks if lack not in taken]
    if taken or is_late:
        _until(cap, max(ends_at(stay, now=now), now + PATIENCE))
    elif cap.deadline_at is None or cap.deadline_at < ends:  # leases were renewed
        _until(cap, ends)


def _until(cap: BudgetCap, deadline_at: datetime) -> None:
    BudgetCap.objects.filter(pk=cap.pk, state=cap.state).update(deadline_at=deadline_at)


def _stop(deployment: Deployment, cap: BudgetCap) -> None:
    answer = (
        "nobody said in time what shall become of it"
        if cap.state == CapState.ASKED
        else "its money has ended"
    )
    reason = f"{answer}: {why_short(cap)}"
    applying.stop(deployment, actor=MONEY, reason=reason[:400])
    tell_stopped(deployment, cap, why=reason)
