"""Permission is reachability: what an actor can't reach does not exist for them (a 404, never a 403)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.teams.models import ApiToken, Role, Team


def reachable_teams(request: Any, *, to_change: bool = False) -> QuerySet[Team]:
    """The teams this request speaks for: a token's one team, else all the user's.

    `to_change` leaves out those in which the user may only look.
    """
    if not request.user.is_authenticated:
        return Team.objects.none()
    members = request.user.memberships.all()
    if to_change:
        members = members.filter(role__in=[Role.OWNER, Role.DEVELOPER])
    if isinstance(getattr(request, "auth", None), ApiToken):
        members = members.filter(team=request.auth.team)
    return Team.objects.filter(pk__in=members.values("team"))


def person_of(request: Any) -> int | None:
    """Whose own things, besides their teams', are within reach; nobody's for an application with its key."""
    return None if getattr(request, "is_application", False) else request.user.pk


def owned_teams(request: Any) -> QuerySet[Team]:
    """Those of them in which the user is an owner: members, tokens and money are theirs to change."""
    owned = request.user.memberships.filter(role=Role.OWNER).values("team")
    return reachable_teams(request).filter(pk__in=owned)
