"""Which of their teams a person looks at: named by the address, remembered in the session."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from apps.teams.models import Member, Team
from apps.teams.reach import reachable_teams


def choose_team(request: HttpRequest, slug: str, *, to_change: bool = False) -> Team:
    """The team of this address; a 404 when it is not one of theirs (or they may not change it)."""
    team = get_object_or_404(reachable_teams(request, to_change=to_change), slug=slug)
    return remember_team(request, team)


def remember_team(request: HttpRequest, team: Team) -> Team:
    """From now on the navigation leads to this team's pages."""
    if request.session.get("team") != team.slug:
        request.session["team"] = team.slug
    return team


def current_team(request: HttpRequest) -> Team | None:
    """The team last looked at, else the first of theirs."""
    teams = reachable_teams(request)
    return teams.filter(slug=request.session.get("team")).first() or teams.first()


def membership(request: HttpRequest, team: Team) -> Member:
    """The user's place in a team that `reachable_teams` let them reach."""
    return Member.objects.get(team=team, user=request.user.pk)
