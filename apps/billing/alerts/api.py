"""REST: at which levels a team is told that its money ends."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.alerts.levels import add_level, remove_level
from apps.billing.alerts.models import AlertKind, AlertLevel
from apps.billing.budgets.models import Budget
from apps.billing.budgets.opening import open_budget
from apps.teams.audit import Actor
from apps.teams.models import Team
from apps.teams.rest import TEAM, TeamScoped, acting_team, user_of
from apps.teams.strict import StrictSerializer


class AlertSerializer(serializers.ModelSerializer[AlertLevel]):
    team = serializers.SlugField(source="budget.team.slug", read_only=True)
    budget = serializers.CharField(source="budget.name", read_only=True)
    crossed_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it was told of; null: it is armed."
    )

    class Meta:
        model = AlertLevel
        fields = ("id", "team", "budget", "kind", "level", "crossed_at", "crossings", "created_at")


class NewAlertSerializer(StrictSerializer[Any]):
    kind = serializers.ChoiceField(AlertKind.choices, help_text="used: percent; runway: hours left.")
    level = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    budget = serializers.CharField(max_length=60, default="main", help_text="By name.")


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class AlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[AlertLevel]):
    """Levels at which the team is told, by mail and webhook, once per crossing. Owners set them."""

    queryset = AlertLevel.objects.select_related("budget__team")
    serializer_class = AlertSerializer
    team_path = "budget__team"

    @extend_schema(request=NewAlertSerializer, responses={201: AlertSerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        team = acting_team(request, owner=True)
        asked = NewAlertSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        made = add_level(
            budget=_budget(team, said["budget"]),
            kind=said["kind"],
            level=said["level"],
            actor=Actor.user(user_of(request)),
        )
        return Response(AlertSerializer(made).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """The team is not told at this level any more."""
        remove_level(self.get_changeable(owner=True), actor=Actor.user(user_of(request)))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _budget(team: Team, name: str) -> Budget:
    """The main one opens when it is asked for."""
    if name == "main":
        return open_budget(team)
    found = Budget.objects.filter(team=team, name=name).first()
    if found is None:
        raise serializers.ValidationError({"budget": f'{team} has no budget "{name}"'})
    return found
