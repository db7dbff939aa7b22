"""REST: who am I, and the API tokens of a team."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.teams.audit import Actor
from apps.teams.models import ApiToken, Member, Role
from apps.teams.reach import reachable_teams
from apps.teams.rest import TEAM, TeamScoped, acting_team, token_of, user_of
from apps.teams.strict import StrictSerializer


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    team = serializers.SlugField(source="team.slug", read_only=True)
    user = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = ApiToken
        fields = (
            "id",
            "name",
            "hint",
            "team",
            "user",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "is_limited",
        )


class NewTokenSerializer(StrictSerializer[Any]):
    name = serializers.CharField(max_length=80, help_text="What it is for: ci, laptop, ...")
    valid_days = serializers.IntegerField(min_value=1, max_value=366, default=90)


class IssuedTokenSerializer(TokenSerializer):
    token = serializers.CharField(read_only=True, help_text="The secret itself: shown here and never again.")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")  # type: ignore[assignment]


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[ApiToken]):
    """API tokens of a team. Owners alone see, make and revoke them."""

    queryset = ApiToken.objects.select_related("team", "user")
    serializer_class = TokenSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        acting_team(request, owner=True)
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_changeable(owner=True)).data)

    @extend_schema(request=NewTokenSerializer, responses={201: IssuedTokenSerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        team = acting_team(request, owner=True)
        asked = NewTokenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        name, days = asked.validated_data["name"], asked.validated_data["valid_days"]
        token, text = ApiToken.issue(team=team, user=user_of(request), name=name, valid=timedelta(days=days))
        token.token = text  # type: ignore[attr-defined]
        return Response(IssuedTokenSerializer(token).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke it: whoever uses it gets a 401 from now on."""
        self.get_changeable(owner=True).revoke(
            actor=Actor.user(user_of(request)), reason="revoked over the API"
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class MembershipSerializer(serializers.ModelSerializer[Member]):
    slug = serializers.SlugField(source="team.slug")
    name = serializers.CharField(source="team.name")
    role = serializers.ChoiceField(choices=Role.choices)

    class Meta:
        model = Member
        fields = ("slug", "name", "role")


class MeSerializer(serializers.Serializer[Any]):
    user = serializers.CharField()
    teams = MembershipSerializer(many=True)
    token = TokenSerializer(allow_null=True, help_text="The token this request came with.")


class MeView(APIView):
    """Who this request speaks for."""

    reached_by_keys = True

    @extend_schema(responses=MeSerializer, operation_id="me")
    def get(self, request: Request) -> Response:
        memberships = Member.objects.filter(user=request.user.pk, team__in=reachable_teams(request))
        token = token_of(request)
        me = {"user": user_of(request).username, "teams": memberships.select_related("team"), "token": token}
        return Response(MeSerializer(me).data)
