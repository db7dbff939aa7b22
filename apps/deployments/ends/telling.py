"""What the owners are told when the money of a deployment ends: why, until when it runs, what they can do."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from apps.billing.budgets.capping import room_glm
from apps.billing.models import AtEnd, BudgetCap
from apps.deployments.models import Deployment
from apps.money import plain
from apps.teams.notices.notifying import notify

KIND = "budget.ended"
STOPPED = "budget.stopped"

WHAT_FOLLOWS = {
    AtEnd.STOP: (
        "All of it is stopped before a lease runs out that can't be renewed, at {deadline} at the earliest,"
        " unless somebody pays in."
    ),
    AtEnd.SCALE_DOWN: "Its least important replicas are let go, so that the money lasts for the others.",
    AtEnd.ASK: (
        "What shall become of it? It runs as far as it is funded and then waits for you until {deadline}."
        " Once the money is there it goes on by itself; without an answer it is stopped then."
    ),
}


def tell(deployment: Deployment, cap: BudgetCap, *, why: str) -> None:
    """The team's owners and webhooks, once each time that it runs short."""
    deadline = f"{cap.deadline_at:%Y-%m-%d %H:%M} UTC" if cap.deadline_at else "once"
    page, billing = _pages(deployment)
    has, needs = plain(room_glm(cap)), plain(cap.needed_glm)
    notify(
        team=deployment.team,
        kind=KIND,
        subject=f"{deployment.name}: its money has ended",
        text=(
            f"{why}.\n\nFor one more lease of all that it runs it needs {needs} GLM; there are {has} GLM.\n"
            f"{WHAT_FOLLOWS[cap.choice].format(deadline=deadline)}\n\n"
            f"Pay in:                     {billing}\nRaise its cap, or stop it:  {page}\n"
        ),
        data={
            "deployment": deployment.name,
            "at_end": str(cap.choice),
            "state": cap.state,
            "needed_glm": cap.needed_glm,
            "left_glm": room_glm(cap),
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
        kind=STOPPED,
        subject=f"{deployment.name}: it was stopped for want of money",
        text=(
            f"{why}.\n\nAll of it was stopped. Once there is money, start it again.\n\n"
            f"Pay in:                          {billing}\nRaise its cap, or start it again:  {page}\n"
        ),
        data={
            "deployment": deployment.name,
            "needed_glm": cap.needed_glm,
            "left_glm": room_glm(cap),
            "why": why,
            "page": page,
        },
        key=_key(STOPPED, cap),
    )


def _pages(deployment: Deployment) -> tuple[str, str]:
    """Its own, and that of its team's money."""
    own = reverse("deployments:detail", args=[deployment.pk])
    billing = reverse("billing:overview", args=[deployment.team.slug])
    return settings.HIVE_PORTAL_URL + own, settings.HIVE_PORTAL_URL + billing


def _key(kind: str, cap: BudgetCap) -> str:
    """One for each time that its money ended, or that its team chose otherwise."""
    return f"{kind}:{cap.pk}:{cap.state_since:%Y-%m-%dT%H:%M:%S.%f}"
