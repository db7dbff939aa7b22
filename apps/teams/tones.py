"""Which of four colours a state has on pages and in the admin."""

from __future__ import annotations

TONES: dict[str, frozenset[str]] = {
    "good": frozenset(
        "healthy online running agreed approved accepted confirmed final paid live active open posted issued".split()
    ),
    "busy": frozenset(
        "pending negotiating starting stopping proposed sent signed received seen held preparing draining updating "
        "deploying converging countered waiting degraded".split()
    ),
    "bad": frozenset("unhealthy failed unknown offline banned disputed rejected lost reverted revoked".split()),
}


def tone(state: str) -> str:
    """good, busy, bad, or off for what is over."""
    return next((name for name, states in TONES.items() if state in states), "off")
