"""REST: the application keys of a team."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from apps.market.keys.policy import NameTaken
from apps.market.models import KeyPolicy
from apps.teams.audit import Actor
from apps.teams.rest import TEAM, TeamScoped, acting_team, chosen_teams, user_of
from hive_portal.keys.serializers import (
    AllowedSerializer,
    IssuedKeySerializer,
    KeySerializer,
    NewKeySerializer,
)
from hive_portal.keys.sheets import keys_of, sheets_of


class KeyViewSet(TeamScoped[KeyPolicy]):
    """Application keys: tokens that may only do what their policy says. Owners alone see and change them.

    No key can be used to make one: a token with a policy gets a 403 here.
    """

    queryset = KeyPolicy.objects.all()
    serializer_class = KeySerializer
    team_path = "token__team"
    lookup_field = "token"
    lookup_url_kwarg = "pk"
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> QuerySet[KeyPolicy]:
        return keys_of(chosen_teams(self.request))

    @extend_schema(responses=KeySerializer(many=True), parameters=[TEAM])
    def list(self, request: Request) -> Response:
        acting_team(request, owner=True)
        page: Any = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(KeySerializer(sheets_of(page), many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._shown(self.get_changeable(owner=True))

    @extend_schema(request=NewKeySerializer, responses={201: IssuedKeySerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        """Make a key. What is not said of providers, images, signers and limits is not limited."""
        team = acting_team(request, owner=True)
        asked = NewKeySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        allowed = dict(asked.validated_data)
        name, valid = allowed.pop("name"), timedelta(days=allowed.pop("valid_days"))
        try:
            policy, text = KeyPolicy.issue(
                team=team, user=user_of(request), name=name, valid=valid, **allowed
            )
        except NameTaken as error:
            raise ValidationError({"name": str(error)}) from None
        [sheet] = sheets_of([policy])
        return Response(KeySerializer(sheet).data | {"key": text}, status.HTTP_201_CREATED)

    @extend_schema(request=AllowedSerializer, responses=KeySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what it may from now on: what is not mentioned stays. See docs/keys.md for what runs."""
        policy = self.get_changeable(owner=True)
        asked = AllowedSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        policy.change(actor=Actor.user(user_of(request)), **asked.validated_data)
        return self._shown(policy)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke it: it opens nothing from now on. What runs under it goes on; nothing new is placed."""
        policy = self.get_changeable(owner=True)
        policy.revoke(actor=Actor.user(user_of(request)), reason="revoked over the API")
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, policy: KeyPolicy) -> Response:
        return Response(KeySerializer(sheets_of([policy])[0]).data)
