"""What `manage.py check` says of settings that are valid and still worth a second look."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def nodes_are_looked_at(**kwargs: Any) -> list[CheckMessage]:
    """`check --deploy`: whoever may sign in may bring a machine that runs other people's work."""
    if settings.HIVE_APPROVE_NODES != "auto":
        return []
    return [
        Warning(
            "HIVE_APPROVE_NODES=auto: a machine takes work as soon as it has enrolled.",
            hint="Right where only people you trust can sign in; else set it to hand and approve each node.",
            id="hive.W001",
        )
    ]
