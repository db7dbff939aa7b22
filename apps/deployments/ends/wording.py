"""How the money of a deployment stands, in one sentence; figures are as of now."""

from __future__ import annotations

from apps.billing.budgets.capping import counted_now
from apps.billing.models import AtEnd, BudgetCap, CapState
from apps.deployments.ends.causes import ShortOf, short_of
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
