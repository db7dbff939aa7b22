"""Carrying out the steps of `decide`: each changes the replica and what is its, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.billing.budgets.holding import extend_hold, place_hold, release_hold
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.models import Hold
from apps.deployments import assignments, funding, keyed
from apps.deployments.conduct import note_failure, note_start
from apps.deployments.decide import POLL_S, PROVEN, Action, Step, try_again
from apps.deployments.edge import publish_edge
from apps.deployments.ends.moving import run_short, waits_until
from apps.deployments.planned import planned_price, within_plan
from apps.deployments.replicas import AssignmentState, Replica, ReplicaState
from apps.deployments.spread import Quoting, need_for
from apps.market.models import Agreement, AgreementState, Demand
from apps.market.needs import Need
from apps.market.negotiating.negotiation import cancel, open_demand
from apps.teams.audit import Actor

RECONCILE = Actor.queen("reconcile")
BROKE_RETRY_S = 2.0
"""How soon to look again whether somebody has paid money in, or a node has come."""
ASKED_RETRY_S = 10.0
"""The same while the owners are asked; when the money is there it is looked at at once."""
ANSWER_GRACE = timedelta(seconds=60)
"""So long after their time to answer: by then the deployment is stopped as a whole."""
UNHEALTHY_LIMIT = timedelta(seconds=60)
"""A replica that is unhealthy for so long is replaced."""


def act(replica: Replica, step: Step, *, now: datetime, quoting: Quoting) -> None:
    """Do it. Raises StateError when something it stands on has changed meanwhile: decide again."""
    if step.action == Action.RESERVE:
        _reserve(replica, now, quoting)
    else:
        ACTS[step.action](replica, step, now)


def placement_deadline(now: datetime) -> datetime:
    """How long budget, market and Bee may take together before a generation is given up."""
    return now + timedelta(seconds=settings.HIVE_PLACEMENT_TIMEOUT_S)


# -- waiting ----------------------------------------------------------------------------------------------


def _wait(replica: Replica, step: Step, now: datetime) -> None:
    """Stays in its state: no step for the audit trail, but people see the reason."""
    retry_at = now + timedelta(seconds=step.retry_s)
    reason = step.reason[:500] or replica.reason
    Replica.objects.filter(pk=replica.pk).update(retry_at=retry_at, reason=reason)
    replica.retry_at, replica.reason = retry_at, reason


# -- the way up -------------------------------------------------------------------------------------------


def _reserve(replica: Replica, now: datetime, quoting: Quoting) -> None:
    deployment = replica.service.deployment
    budget = deployment.budget
    if why_not := keyed.why_not_placed(replica, now=now):
        return _wait(replica, Step(action=Action.WAIT, reason=why_not, retry_s=BROKE_RETRY_S), now)
    need = within_plan(replica, need_for(replica))
    price_per_hour_glm, reason = _expected_price(replica, need, quoting)
    if price_per_hour_glm is None:  # nothing is held while nobody offers
        return _wait(replica, Step(action=Action.WAIT, reason=reason, retry_s=BROKE_RETRY_S), now)
    lease = funding.lease_of(replica.runs)
    cost_glm = funding.cost_glm(price_per_hour_glm=price_per_hour_glm, span=lease)
    needed_glm = max(cost_glm, funding.unpaid_glm(replica, now=now))
    try:
        with transaction.atomic():
            hold = place_hold(
                budget=budget,
                reference=replica.reference,
                amount_glm=needed_glm,
                until=now + lease,
                key=keyed.limited_key(deployment),
                per_hour_glm=price_per_hour_glm,
                cap=deployment.cap,
            )
    except InsufficientFunds as error:
        return _wait_for_money(replica, error, needed_glm, now)
    asked = {"hold": hold, "demand": _demand(replica, need), "planned_offer": None}
    _move(replica, ReplicaState.NEGOTIATING, reason or "looking for a bee", now, **asked)


def _wait_for_money(replica: Replica, error: InsufficientFunds, needed_glm: Decimal, now: datetime) -> None:
    """One that had run, or whose owners are asked already, waits for an answer; a new one fails in time."""
    deployment = replica.service.deployment
    answer_by = _ask_for_money(replica, error, needed_glm, now)
    if answer_by:
        Replica.objects.filter(pk=replica.pk).update(deadline_at=max(answer_by, now) + ANSWER_GRACE)
    retry_s = ASKED_RETRY_S if answer_by else BROKE_RETRY_S
    shortage = funding.shortage(deployment.budget, error)
    _wait(replica, Step(action=Action.WAIT, reason=shortage, retry_s=retry_s), now)


def _ask_for_money(
    replica: Replica, error: InsufficientFunds, needed_glm: Decimal, now: datetime
) -> datetime | None:
    """Until when it waits for an answer; None when nobody is asked, for it is new and ends nothing."""
    Replica.objects.filter(pk=replica.pk).update(refused_glm=needed_glm)
    if _has_run(replica):
        run_short(replica.service.deployment, error, now=now)
    return waits_until(replica.service.deployment)


def _has_run(replica: Replica) -> bool:
    return replica.assignments.exists()


def _expected_price(replica: Replica, need: Need, quoting: Quoting) -> tuple[Decimal | None, str]:
    """GLM an hour, and what is to say of it: as planned, else as quoted, else the limit, where it may end."""
    planned = planned_price(replica, need)
    if planned is not None:
        return planned, ""
    quote = quoting.quote_for(replica, need)
    limit = replica.runs.max_price_per_hour_glm  # what the plan said is no price to hold while nobody asks it
    return limit if quote.price_per_hour_glm is None else quote.price_per_hour_glm, quote.reason


def _demand(replica: Replica, need: Need) -> Demand:
    assert replica.deadline_at is not None  # the table's constraint: it is pending
    return open_demand(
        team=replica.service.deployment.team,
        reference=replica.reference,
        image=replica.runs.image,
        need=need,
        give_up_at=replica.deadline_at,
        planned_offer=replica.planned_offer_id,
    )


def _place(replica: Replica, step: Step, now: datetime) -> None:
    assert replica.demand is not None and replica.hold is not None  # a negotiating replica has both
    agreement = replica.demand.agreements.filter(state=AgreementState.APPROVED).first()
    if agreement is None:
        return _replace(replica, Step(action=Action.REPLACE, reason="its agreement ended at once"), now)
    if why_not := keyed.why_not_on(replica, agreement.node_id):
        return _replace(replica, Step(action=Action.REPLACE, reason=why_not), now)
    until = funding.first_lease_until(agreement, lease=funding.lease_of(replica.runs), now=now)
    try:
        with transaction.atomic():
            hold = fund(replica.hold, agreement, until=until)
    except InsufficientFunds as error:
        return _not_paid(replica, agreement, error, now)
    assignments.assign(replica, agreement, lease_until=hold.deadline_at or until)
    reason = f"waiting for {agreement.node} to start {agreement.image}"
    _move(replica, ReplicaState.STARTING, reason, now, deadline_at=placement_deadline(now), refused_glm=None)


def _not_paid(replica: Replica, agreement: Agreement, error: InsufficientFunds, now: datetime) -> None:
    """It came out dearer than what was held for it: as in `_wait_for_money`, but the Bee is let go.

    That is no failure of a replica whose owners are asked, however long they take.
    """
    deployment = replica.service.deployment
    shortage = funding.shortage(deployment.budget, error)
    if not _has_run(replica) and waits_until(deployment) is None:
        again = try_again(replica.attempts, shortage)
        return ACTS[again.action](replica, again, now)
    let_go(replica, reason=shortage)
    begin(replica, reason=shortage, now=now, attempts=None, after_s=ASKED_RETRY_S)
    needed_glm = funding.lease_glm(agreement, lease=funding.lease_of(replica.runs))
    _ask_for_money(replica, error, needed_glm, now)


def fund(hold: Hold, agreement: Agreement, *, until: datetime) -> Hold:
    """Pay the lease up to `until` from the budget. Raises InsufficientFunds."""
    amount_glm = funding.missing_glm(agreement=agreement, hold=hold, until=until)
    per_hour_glm = agreement.price_per_hour_glm
    hold = extend_hold(hold, amount_glm=amount_glm, until=until, per_hour_glm=per_hour_glm)
    Hold.objects.filter(pk=hold.pk, agreement=None).update(agreement=agreement)
    return hold


def _pass(replica: Replica, step: Step, now: datetime) -> None:
    assignment = replica.assignment
    assert assignment is not None
    well = {"deadline_at": assignment.lease_until, "planned_per_hour_glm": None}
    _move(replica, ReplicaState.HEALTHY, step.reason, now, **well)
    note_start(replica, assignment)


def _ail(replica: Replica, step: Step, now: datetime) -> None:
    attempts = 0 if now - replica.state_since >= PROVEN else replica.attempts
    deadline_at = now + UNHEALTHY_LIMIT
    _move(replica, ReplicaState.UNHEALTHY, step.reason, now, deadline_at=deadline_at, attempts=attempts)


# -- the way down -----------------------------------------------------------------------------------------


def _leave(replica: Replica, step: Step, now: datetime) -> None:
    """Its state stays, and its Bee hears nothing yet."""
    Replica.objects.filter(pk=replica.pk).update(leaving_at=now, reason=step.reason[:500])
    transaction.on_commit(publish_edge, robust=True)


def _replace(replica: Replica, step: Step, now: datetime) -> None:
    if step.attempts is not None:  # it failed
        note_failure(replica, now=now)
    let_go(replica, reason=step.reason)
    after_s = step.retry_s if step.attempts else 0.0
    begin(replica, reason=step.reason, now=now, attempts=step.attempts, after_s=after_s)


def begin(
    replica: Replica, *, reason: str, now: datetime, attempts: int | None = 0, after_s: float = 0
) -> None:
    """The next generation, from the service's newest recipe."""
    changes: dict[str, Any] = {"spec": replica.service.spec, "hold": None, "demand": None, "leaving_at": None}
    changes["attempts"] = replica.attempts if attempts is None else attempts
    deadline_at, retry_at = placement_deadline(now), now + timedelta(seconds=after_s)
    if replica.state == ReplicaState.PENDING:  # nothing was placed yet: the same generation, anew
        changes |= {"reason": reason[:500], "deadline_at": deadline_at, "retry_at": retry_at}
        Replica.objects.filter(pk=replica.pk).update(**changes)
        return
    changes["generation"] = replica.generation + 1
    _move(replica, ReplicaState.PENDING, reason, now, deadline_at=deadline_at, retry_at=retry_at, **changes)


def let_go(replica: Replica, *, reason: str) -> None:
    """End what this generation holds: assignment or demand, then the money that nothing needs any more."""
    assignment = replica.assignment
    if assignment is not None:
        assignments.release(assignment, actor=RECONCILE, reason=reason)
    elif replica.demand is not None:
        cancel(replica.demand, actor=RECONCILE, reason=reason)
        for agreement in replica.demand.agreements.filter(state=AgreementState.APPROVED):
            assignments.end_agreement(agreement, actor=RECONCILE, reason=reason)
    if replica.hold is not None:
        release_hold(replica.hold, actor=RECONCILE, reason=reason)


def _give_up(replica: Replica, step: Step, now: datetime) -> None:
    note_failure(replica, now=now)
    let_go(replica, reason=step.reason)
    _move(replica, ReplicaState.FAILED, step.reason, now, deadline_at=None)


def _stop(replica: Replica, step: Step, now: datetime) -> None:
    assignment = replica.assignment
    assert assignment is not None
    let_go(replica, reason=step.reason)
    reason = f"waiting for {assignment.node} to stop it"
    _move(replica, ReplicaState.STOPPING, reason, now, deadline_at=assignment.lease_until)


def _finish(replica: Replica, step: Step, now: datetime) -> None:
    assignment = replica.assignment
    if assignment is None or assignment.state not in {AssignmentState.ENDED, AssignmentState.LOST}:
        let_go(replica, reason=step.reason)
    _move(replica, ReplicaState.STOPPED, step.reason, now, deadline_at=None)


def _revive(replica: Replica, step: Step, now: datetime) -> None:
    begin(replica, reason=step.reason, now=now)


ACTS: dict[Action, Callable[[Replica, Step, datetime], None]] = {
    Action.WAIT: _wait,
    Action.PLACE: _place,
    Action.PASS: _pass,
    Action.AIL: _ail,
    Action.LEAVE: _leave,
    Action.REPLACE: _replace,
    Action.GIVE_UP: _give_up,
    Action.STOP: _stop,
    Action.FINISH: _finish,
    Action.REVIVE: _revive,
}
"""All but RESERVE, which has to know the market as well."""


def _move(replica: Replica, state: str, reason: str, now: datetime, **changes: Any) -> None:
    changes = {"deadline_at": replica.deadline_at, "retry_at": now + timedelta(seconds=POLL_S)} | changes
    replica.move_to(state, actor=RECONCILE, reason=reason, **changes)
