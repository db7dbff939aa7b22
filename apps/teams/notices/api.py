"""REST: the webhooks of a team, and what was sent to whom. For owners: addresses may hold secrets."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.teams.audit import Actor
from apps.teams.notices.managing import (
    add_webhook,
    redeliver,
    remove_webhook,
    rotate_secret,
    send_test,
)
from apps.teams.notices.models import Delivery, DeliveryAttempt, Webhook
from apps.teams.notices.signing import secret_of
from apps.teams.rest import TEAM, TeamScoped, acting_team, user_of
from apps.teams.strict import StrictSerializer

WEBHOOK = OpenApiParameter("webhook", OpenApiTypes.UUID, description="To this webhook alone.")


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    team = serializers.SlugField(source="team.slug", read_only=True)

    class Meta:
        model = Webhook
        fields = ("id", "team", "url", "created_at", "rotated_at")


class WebhookWithSecretSerializer(WebhookSerializer):
    secret = serializers.SerializerMethodField(
        help_text="By which requests are signed (Standard Webhooks): shown here and never again."
    )

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")  # type: ignore[assignment]

    def get_secret(self, webhook: Webhook) -> str:
        return secret_of(webhook)


class NewWebhookSerializer(StrictSerializer[Any]):
    url = serializers.CharField(max_length=1000, help_text="https://…, on the public internet.")


class AttemptSerializer(serializers.ModelSerializer[DeliveryAttempt]):
    class Meta:
        model = DeliveryAttempt
        fields = ("at", "took_ms", "status", "answer")


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    kind = serializers.CharField(source="notice.kind", read_only=True)
    subject = serializers.CharField(source="notice.subject", read_only=True)
    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta:
        model = Delivery
        fields = (
            "id",
            "kind",
            "subject",
            "webhook",
            "address",
            "state",
            "reason",
            "tries",
            "next_at",
            "deadline_at",
            "created_at",
            "attempts",
        )


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class WebhookViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[Webhook]):
    """Webhooks: told of what the team is told of, by requests signed as Standard Webhooks says."""

    queryset = Webhook.objects.filter(removed_at=None).select_related("team")
    serializer_class = WebhookSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        acting_team(request, owner=True)
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_changeable(owner=True)).data)

    @extend_schema(
        request=NewWebhookSerializer, responses={201: WebhookWithSecretSerializer}, parameters=[TEAM]
    )
    def create(self, request: Request) -> Response:
        team = acting_team(request, owner=True)
        asked = NewWebhookSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = add_webhook(team=team, url=asked.validated_data["url"], actor=_actor(request))
        return Response(WebhookWithSecretSerializer(made).data, status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """It is told of nothing from now on."""
        remove_webhook(self.get_changeable(owner=True), actor=_actor(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=WebhookWithSecretSerializer)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Another secret. For a day requests are signed with the old one too."""
        rotated = rotate_secret(self.get_changeable(owner=True), actor=_actor(request))
        return Response(WebhookWithSecretSerializer(rotated).data)

    @extend_schema(request=None, responses={201: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a test: the delivery tells what was answered, as soon as something was."""
        made = send_test(self.get_changeable(owner=True))
        return Response(DeliverySerializer(made).data, status.HTTP_201_CREATED)


@extend_schema_view(list=extend_schema(parameters=[TEAM, WEBHOOK]))
class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[Delivery]):
    """What was sent to whom by mail and webhook, newest first, with each answer."""

    queryset = Delivery.objects.select_related("notice__team", "webhook__team").prefetch_related("attempts")
    serializer_class = DeliverySerializer
    team_path = "notice__team"
    narrowed_by = "webhook"

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        acting_team(request, owner=True)
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_changeable(owner=True)).data)

    @extend_schema(request=None, responses={201: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send the same message anew, under the same webhook-id."""
        again = redeliver(self.get_changeable(owner=True), actor=_actor(request))
        return Response(DeliverySerializer(again).data, status.HTTP_201_CREATED)


def _actor(request: Request) -> Actor:
    return Actor.user(user_of(request))
