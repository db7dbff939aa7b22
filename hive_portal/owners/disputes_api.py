"""REST: disputes over what your Bees ask, as `/disputes/` shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.billing.providers.disputes import MOST_LETTERS, Dispute, DisputeMessage
from apps.billing.providers.disputing import accept_figure, answer, decide, object_to
from apps.teams.rest import Glm, user_of
from apps.teams.strict import StrictSerializer
from hive_portal.owners.disputes import is_owner, may_answer, reachable_disputes


class DisputeMessageSerializer(serializers.ModelSerializer[DisputeMessage]):
    author = serializers.CharField(source="author.username", read_only=True)
    figure_glm = Glm(allow_null=True, help_text="What the Hive offered with it, in all.")

    class Meta:
        model = DisputeMessage
        fields = ("id", "side", "author", "text", "figure_glm", "at")


class DisputeSerializer(serializers.ModelSerializer[Dispute]):
    """In GLM, of all that the agreement brought up to the note's report."""

    node = serializers.CharField(source="agreement.node_id", read_only=True)
    note_sequence = serializers.IntegerField(source="note.sequence", read_only=True)
    final = serializers.BooleanField(
        source="note.final", read_only=True, help_text="The note is the invoice."
    )
    asked_glm = Glm()
    rated_glm = Glm(help_text="Paid all the same.")
    granted_glm = Glm(help_text="Over the rating: offered while it is open, paid once settled.")
    hive_glm = Glm(help_text="The Hive's figure.")
    open_glm = Glm(help_text="The difference; what is not paid, once it is over.")

    class Meta:
        model = Dispute
        fields: tuple[str, ...] = (
            "id",
            "agreement",
            "node",
            "note_sequence",
            "final",
            "state",
            "reason",
            "deadline_at",
            "opened_at",
            "asked_glm",
            "rated_glm",
            "granted_glm",
            "hive_glm",
            "open_glm",
        )


class DisputeDetailSerializer(DisputeSerializer):
    messages = DisputeMessageSerializer(many=True, read_only=True)

    class Meta(DisputeSerializer.Meta):
        fields = (*DisputeSerializer.Meta.fields, "messages")


class SaySerializer(StrictSerializer[Any]):
    text = serializers.CharField(max_length=MOST_LETTERS)


class AcceptSerializer(StrictSerializer[Any]):
    gives_up_glm = serializers.DecimalField(
        38, 18, min_value=0, help_text="The difference as you saw it; refused where it has grown since."
    )


class AnswerSerializer(SaySerializer):
    figure_glm = serializers.DecimalField(
        38,
        18,
        min_value=0,
        required=False,
        help_text="Offered in all, between the Hive's figure and what is asked.",
    )


class DecideSerializer(SaySerializer):
    figure_glm = serializers.DecimalField(38, 18, min_value=0, help_text="In all; it ends the dispute.")


class DisputeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Dispute]):
    """Debit notes of your Bees that ask for more than was rated, and what was said about them."""

    queryset = Dispute.objects.all()
    serializer_class = DisputeSerializer

    def get_queryset(self) -> QuerySet[Dispute]:
        found = reachable_disputes(self.request)
        return found if self.action == "list" else found.prefetch_related("messages__author")

    def get_serializer_class(self) -> Any:
        return DisputeSerializer if self.action == "list" else DisputeDetailSerializer

    @extend_schema(request=SaySerializer, responses=DisputeDetailSerializer)
    @action(detail=True, methods=["post"])
    def say(self, request: Request, pk: str) -> Response:
        """Object, or say more: an operator has seven days to answer. The Bee's owner alone may."""
        dispute, said = self._asked(SaySerializer, owner=True)
        return self._do(lambda: object_to(dispute, user=user_of(request), text=said["text"]))

    @extend_schema(request=AcceptSerializer, responses=DisputeDetailSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Take the Hive's figure and give up the difference. The Bee's owner alone may."""
        dispute, said = self._asked(AcceptSerializer, owner=True)
        return self._do(
            lambda: accept_figure(dispute, user=user_of(request), gives_up_glm=said["gives_up_glm"])
        )

    @extend_schema(request=AnswerSerializer, responses=DisputeDetailSerializer)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str) -> Response:
        """Answer for the Hive, and perhaps offer more than was rated. Operators alone may."""
        dispute, said = self._asked(AnswerSerializer, owner=False)
        return self._do(lambda: answer(dispute, user=user_of(request), **said))

    @extend_schema(request=DecideSerializer, responses=DisputeDetailSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        """End it at this figure. Operators alone may."""
        dispute, said = self._asked(DecideSerializer, owner=False)
        return self._do(lambda: decide(dispute, user=user_of(request), **said))

    def _asked(self, asked: Any, *, owner: bool) -> tuple[Dispute, dict[str, Any]]:
        dispute = self.get_object()
        if owner and not is_owner(self.request.user, dispute):
            raise PermissionDenied("only the owner of the Bee may do this")
        if not owner and not may_answer(self.request.user):
            raise PermissionDenied("only an operator may do this")
        said = asked(data=self.request.data)
        said.is_valid(raise_exception=True)
        return dispute, said.validated_data

    def _do(self, verb: Callable[[], object]) -> Response:
        try:
            verb()
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return Response(DisputeDetailSerializer(self.get_object()).data)
