"""How the money of a deployment stands, in one sentence."""

from __future__ import annotations

from apps.billing.models import AtEnd, BudgetCap, CapState
from apps.money import plain

FOLLOWS = {
    AtEnd.STOP: "it is stopped at {at}, unless its leases are renewed or somebody pays in",
    AtEnd.SCALE_DOWN: "its least important replicas are let go",
    AtEnd.ASK: "its owners are asked, and it waits for them until {at}",
}


def money_of(cap: BudgetCap) -> str:
    """Empty while it is funded, and once it was stopped: that is another sentence."""
    if cap.state not in {CapState.ENDING, CapState.ASKED}:
        return ""
    at = f"{cap.deadline_at:%Y-%m-%d %H:%M} UTC" if cap.deadline_at else "once"
    follows = FOLLOWS[AtEnd.ASK if cap.state == CapState.ASKED else cap.choice].format(at=at)
    needs = f"for one more lease {plain(cap.needed_glm)} GLM are needed"
    return f"its money has ended: {cap.reason}; {needs}; {follows}"
