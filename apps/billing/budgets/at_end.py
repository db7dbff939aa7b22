"""What becomes of what runs when its money ends: the team's choice."""

from __future__ import annotations

from django.db import models


class AtEnd(models.TextChoices):
    STOP = "stop", "Stop"
    """All of it is stopped in order, before the first lease runs out."""
    SCALE_DOWN = "scale-down", "Scale down"
    """The least important replicas are let go, so that the rest lasts."""
    ASK = "ask", "Ask"
    """The owners are asked. Until they answer it runs as far as it is funded, and then waits."""
