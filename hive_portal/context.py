"""What every template may use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.teams.choice import current_team
from apps.teams.reach import reachable_teams


def portal(request: HttpRequest) -> dict[str, Any]:
    """Lazy where it asks the database: an error page or the admin may not need it."""
    return {
        "edge_url": settings.HIVE_EDGE_URL,
        "portal_url": settings.HIVE_PORTAL_URL,
        "team": SimpleLazyObject(lambda: current_team(request)),
        "teams": SimpleLazyObject(lambda: list(reachable_teams(request))),
    }
