"""What the owners are told when the money of a deployment ends: why, until when it runs, what they can do."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.urls import reverse

from apps.billing.budgets.capping import room_glm
from apps.billing.models import AtEnd, BudgetCap
from apps.deployments.ends.causes import ShortOf, short_of
from apps.deployments.ends.wording import gone_of, remedy, what_ends, why_short
from apps.deployments.models import Deployment, Service
from apps.money import plain
from apps.teams.notices.notifying import notify

KIND = "budget.ended"
STOPPED_KIND = "budget.stopped"
RESTORED_KIND = "budget.restored"

WHAT_FOLLOWS = {
    AtEnd.STOP: (
        "All of it is stopped before a lease runs out that can't be renewed, at {deadline} at the earliest,"
        " unless {remedy}."
    ),
    AtEnd.SCALE_DOWN: (
        "Its least important replicas are let go, so that the money lasts for the others, unless {remedy}."
        " They come back by themselves once there is enough for them again."
    ),
    AtEnd.ASK: (
        "What shall become of it? It runs as far as it is funded and then waits for you until {deadline}."
        " Once the money is there it goes on by itself; without an answer it is stopped then."
    ),
}


def tell(deployment: Deployment, cap: BudgetCap, *, why: str) -> None:
    """The team's owners and webhooks, once each time that it runs short."""
    deadline = f"{cap.deadline_at:%Y-%m-%d %H:%M} UTC" if cap.deadline_at else "once"
    page, billing = _pages(deployment)
    follows = WHAT_FOLLOWS[cap.choice].format(deadline=deadline, remedy=remedy(cap))
    notify(
        team=deployment.team,
        kind=KIND,
        subject=f"{deployment.name}: {what_ends(cap)}",
        text=(
            f"{why_short(cap)}.\n\n{follows}\n\n{_pay_in(cap, billing)}Raise its cap, or stop it:  {page}\n"
        ),
        data={
            "deployment": deployment.name,
            "at_end": str(cap.choice),
            "state": cap.state,
            "needed_glm": plain(cap.needed_glm),
            "left_glm": plain(room_glm(cap)),
            "short_of": short_of(cap),
            "deadline_at": cap.deadline_at.isoformat() if cap.deadline_at else None,
            "why": why,
            "page": page,
        },
        key=_key(KIND, cap),
    )


def tell_stopped(deployment: Deployment, cap: BudgetCap, *, why: str) -> None:
    """That all of it was stopped for want of money; `cap` as it was while it was short."""
    page, billing = _pages(deployment)
    notify(
        team=deployment.team,
        kind=STOPPED_KIND,
        subject=f"{deployment.name}: it was stopped for want of money",
        text=(
            f"{why}.\n\nAll of it was stopped. Once there is money, start it again.\n\n"
            f"{_pay_in(cap, billing)}Raise its cap, or start it again:  {page}\n"
        ),
        data={
            "deployment": deployment.name,
            "needed_glm": plain(cap.needed_glm),
            "left_glm": plain(room_glm(cap)),
            "short_of": short_of(cap),
            "why": why,
            "page": page,
        },
        key=_key(STOPPED_KIND, cap),
    )


def tell_restored(deployment: Deployment, services: Collection[Service], names: Collection[str]) -> None:
    """That replicas which were let go for want of money are wanted again; `names` are theirs."""
    page, _ = _pages(deployment)
    still = gone_of(services)
    back = f"{len(names)} replica{'s' if len(names) > 1 else ''} came back with the money"
    notify(
        team=deployment.team,
        kind=RESTORED_KIND,
        subject=f"{deployment.name}: {back}",
        text=(
            f"{', '.join(names)}: let go for want of money, and funded again."
            f"{still and f' Still let go: {still}.'}\n\nIts page:  {page}\n"
        ),
        data={
            "deployment": deployment.name,
            "replicas": list(names),
            "taken": {service.name: service.taken for service in services if service.taken},
            "page": page,
        },
    )


def _pay_in(cap: BudgetCap, billing: str) -> str:
    """Where only the cap is short that would not help."""
    return "" if short_of(cap) == ShortOf.CAP else f"Pay in:  {billing}\n"


def _pages(deployment: Deployment) -> tuple[str, str]:
    """Its own, and that of its team's money."""
    own = reverse("deployments:detail", args=[deployment.pk])
    billing = reverse("billing:overview", args=[deployment.team.slug])
    return settings.HIVE_PORTAL_URL + own, settings.HIVE_PORTAL_URL + billing


def _key(kind: str, cap: BudgetCap) -> str:
    """One for each time that its money ended, or that its team chose otherwise."""
    return f"{kind}:{cap.pk}:{cap.state_since:%Y-%m-%dT%H:%M:%S.%f}"
