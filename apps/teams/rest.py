"""What the REST views of all rooms share: reach, roles, and how money is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from apps.money import plain
from apps.teams.models import ApiToken, Role, Team
from apps.teams.reach import reachable_teams

M = TypeVar("M", bound=Model)

TEAM = OpenApiParameter(
    "team",
    OpenApiTypes.STR,
    description="Slug of one of your teams. A token speaks for one team and needs no such word.",
)


@extend_schema_field({"type": "string", "format": "decimal", "example": "0.0125"})
class Glm(serializers.Field):
    """An amount of GLM, exact, as a string without needless zeros."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"read_only": True} | kwargs))

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


class TeamScoped(GenericViewSet[M]):
    """Rows of the teams this request speaks for. All others do not exist here: a 404."""

    team_path: ClassVar[str] = "team"
    """How the ORM gets from a row to its team."""
    narrowed_by: ClassVar[str] = ""
    """What a row belongs to: `?<its name>=<id>` asks for the rows of that one alone."""

    def get_queryset(self) -> QuerySet[M]:
        rows = super().get_queryset().filter(**{f"{self.team_path}__in": chosen_teams(self.request)})
        asked = self.narrowed_by and self.request.query_params.get(self.narrowed_by)
        if not asked:
            return rows
        return rows.filter(**{self.narrowed_by: serializers.UUIDField().run_validation(asked)})

    def get_changeable(self, *, owner: bool = False) -> M:
        """The row the address names, for whoever may change it."""
        row = self.get_object()
        team: Any = row
        for step in self.team_path.split("__"):
            team = getattr(team, step)
        must_be_allowed(self.request, team, owner=owner)
        return row


def chosen_teams(request: Request) -> QuerySet[Team]:
    """All teams within reach, or the one that `?team=` names."""
    teams = reachable_teams(request)
    slug = request.query_params.get("team")
    return teams.filter(slug=slug) if slug else teams


def acting_team(request: Request, *, owner: bool = False) -> Team:
    """The one team in whose name something is made; `?team=` says which when there are several."""
    teams = list(chosen_teams(request)[:2])
    if not teams:
        raise NotFound("you are a member of no such team")
    if len(teams) > 1:
        raise ValidationError({"team": "you are in several teams: say which one with ?team="})
    must_be_allowed(request, teams[0], owner=owner)
    return teams[0]


def must_be_allowed(request: Request, team: Team, *, owner: bool = False) -> None:
    """Raises 403 when the user's role in their own team is too small."""
    role = team.members.get(user=request.user.pk).role
    if owner and role != Role.OWNER:
        raise PermissionDenied(f"only an owner of {team} may do this; you are a {role}")
    if role == Role.VIEWER:
        raise PermissionDenied(f"you are a viewer in {team}: you may look, but change nothing")


def user_of(request: Request) -> Any:
    """Its user, who is known: `IsAuthenticated` lets nobody anonymous come this far."""
    return request.user


def token_of(request: Request) -> ApiToken | None:
    """The API token it came with; None for somebody who is signed in."""
    return request.auth if isinstance(request.auth, ApiToken) else None


def is_uuid(text: str) -> bool:
    """Whether an address names a row by its id, not by its name."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
