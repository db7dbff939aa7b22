"""How the money of a deployment stands, in one sentence; figures are as of now."""

from __future__ import annotations

from collections.abc import Iterable

from apps.billing.budgets.capping import counted_now
from apps.billing.models import AtEnd, BudgetCap, CapState
from apps.deployments.ends.causes import ShortOf, short_of, whose_room
from apps.deployments.models import Service
from apps.money import ZERO, plain

FOLLOWS = {
    AtEnd.STOP: "it is stopped at {at}, unless its leases are renewed or {remedy}",
    AtEnd.SCALE_DOWN: "its least important replicas are let go, unless {remedy}",
    AtEnd.ASK: "its owners are asked, and it waits until {at} unless {remedy}",
}


def money_of(cap: BudgetCap) -> str:
    """Empty while it is funded, and once it was stopped: that is another sentence."""
    if cap.state not in {CapState.ENDING, CapState.ASKED}:
        return ""
    at = f"{cap.deadline_at:%Y-%m-%d %H:%M} UTC" if cap.deadline_at else "once"
    follows = FOLLOWS[AtEnd.ASK if cap.state == CapState.ASKED else cap.choice]
    return f"{what_ends(cap)}: {why_short(cap)}; {follows.format(at=at, remedy=remedy(cap))}"


def gone_of(services: Iterable[Service]) -> str:
    """What was let go of them for want of money: "2 replicas of worker"; empty where nothing was."""
    gone = [(service.taken, service.name) for service in services if service.taken]
    return ", ".join(f"{count} replica{'s' if count > 1 else ''} of {name}" for count, name in gone)


def taken_of(cap: BudgetCap, services: Iterable[Service]) -> str:
    """In one sentence; empty where nothing was let go."""
    gone = gone_of(services)
    return f"let go for want of money: {gone}; {back_when(cap)}" if gone else ""


def back_when(cap: BudgetCap) -> str:
    """When the next of them comes back."""
    if not cap.needed_glm:
        return "it is looked at again in a moment"
    needed, cause = plain(cap.needed_glm), whose_room(cap)
    if cause is None:
        return (
            "the next comes back in a moment, unless its team is suspended or its key may not spend so much"
        )
    of_cap, of_budget = f"its cap has {needed} GLM left", _of_budget(cap)
    has = {ShortOf.CAP: of_cap, ShortOf.BUDGET: of_budget, ShortOf.BOTH: f"{of_cap} and {of_budget}"}
    return f"the next comes back by itself once {has[cause]}"


def _of_budget(cap: BudgetCap) -> str:
    """What must be there of it in all, and how much of that is for others."""
    others = f", {plain(cap.beside_glm)} GLM of it for what others of it need" if cap.beside_glm else ""
    return f"budget {cap.budget} has {plain(cap.needed_glm + cap.beside_glm)} GLM available{others}"


def what_ends(cap: BudgetCap) -> str:
    """All of it, or a part."""
    is_part = cap.state == CapState.ENDING and cap.choice == AtEnd.SCALE_DOWN
    return "its money does not last for all of it" if is_part else "its money has ended"


def why_short(cap: BudgetCap) -> str:
    """Whose room is too small for what it needs."""
    limit_glm, needed = cap.limit_glm or ZERO, plain(cap.needed_glm)
    left, available = plain(max(limit_glm - counted_now(cap), ZERO)), plain(cap.budget.available_glm)
    of_cap = f"{cap} may take {plain(limit_glm)} GLM {cap.get_per_display()} and has {left} GLM left"
    of_budget = f"budget {cap.budget} has {available} GLM available"
    has = {ShortOf.CAP: of_cap, ShortOf.BUDGET: of_budget, ShortOf.BOTH: f"{of_cap}, {of_budget}"}
    cause = short_of(cap)
    return f"{has[cause]}; one more lease of all of it takes {needed} GLM" if cause else cap.reason


def remedy(cap: BudgetCap) -> str:
    """What helps: "its cap is raised"."""
    return (short_of(cap) or ShortOf.BUDGET).label
