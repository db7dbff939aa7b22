"""Which of four colours a state has on pages and in the admin."""

from __future__ import annotations

TONES: dict[str, str] = {
    "good": "accepted active agreed approved armed confirmed delivered explained final funded healthy issued "
    "live online open paid posted proven running settled well",
    "busy": "asked countered degraded draining ending held negotiating pending preparing proposed received "
    "seen sent signed starting stopping unknown waiting with_hive with_owner",
    "bad": "banned crossed different disputed escalated failed flagged given_up left_out lost offline "
    "overdue rejected reverted revoked unhealthy",
}
_TONE_OF = {state: tone for tone, states in TONES.items() for state in states.split()}


def tone(state: str) -> str:
    """good, busy, bad, or off for what is over."""
    return _TONE_OF.get(str(state), "off")
