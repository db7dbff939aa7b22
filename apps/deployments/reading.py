"""Who reads over a WebSocket: the same reachability as on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from django.contrib.auth.models import AnonymousUser

from apps.teams.models import User

NOT_FOUND = 4404
"""Close code for what the reader can't reach, whether it exists or not."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The part of a request that reachability asks about."""

    user: Any

    @classmethod
    def of(cls, scope: dict[str, Any]) -> Self:
        """The user as they are now: Channels remembers them as they were when the socket was opened."""
        remembered = getattr(scope.get("user"), "pk", None)
        now = User.objects.filter(pk=remembered, is_active=True).first() if remembered else None
        return cls(now or AnonymousUser())
