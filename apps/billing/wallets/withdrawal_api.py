"""REST: taking unused GLM back out of a budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.budgets.opening import open_budget
from apps.billing.ledger.posting import exact
from apps.billing.models import Withdrawal
from apps.billing.wallets.siwe import address_of
from apps.billing.wallets.withdrawing import cancel_withdrawal, confirm_withdrawal, request_withdrawal
from apps.teams.audit import Actor
from apps.teams.rest import TEAM, Glm, TeamScoped, acting_team, user_of
from apps.teams.strict import StrictSerializer, must_say_nothing


class WithdrawalSerializer(serializers.ModelSerializer[Withdrawal]):
    team = serializers.SlugField(source="budget.team.slug", read_only=True)
    recipient = serializers.CharField(read_only=True, help_text="A wallet that the team has proven.")
    amount_glm = Glm(source="amount")
    tx_hash = serializers.CharField(
        source="payment.tx_hash", default=None, allow_null=True, help_text="Null before it is confirmed."
    )

    class Meta:
        model = Withdrawal
        fields = (
            "id",
            "team",
            "recipient",
            "amount_glm",
            "state",
            "reason",
            "state_since",
            "deadline_at",
            "tx_hash",
            "created_at",
        )


class WantedSerializer(StrictSerializer[Any]):
    recipient = serializers.CharField(max_length=42, help_text="A wallet that your team has proven.")
    amount_glm = serializers.DecimalField(max_digits=38, decimal_places=18)

    def validate_recipient(self, address: str) -> str:
        try:
            return address_of(address)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None

    def validate_amount_glm(self, amount_glm: Decimal) -> Decimal:
        try:
            return exact(amount_glm)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class WithdrawalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[Withdrawal]):
    """Withdrawals, newest first. A member asks, an owner confirms within a day; the Hive bears the gas."""

    queryset = Withdrawal.objects.select_related(
        "budget__team", "budget__available", "proof", "payment__transaction"
    )
    serializer_class = WithdrawalSerializer
    team_path = "budget__team"

    @extend_schema(request=WantedSerializer, responses={201: WithdrawalSerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        """Ask for one, out of the main budget. No money moves before an owner confirms it."""
        team = acting_team(request)
        asked = WantedSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = request_withdrawal(
            budget=open_budget(team),
            address=asked.validated_data["recipient"],
            amount_glm=asked.validated_data["amount_glm"],
            actor=Actor.user(user_of(request)),
        )
        return Response(WithdrawalSerializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=WithdrawalSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Pay it. Owners alone may."""
        asked = self.get_changeable(owner=True)
        must_say_nothing(request)
        return Response(
            WithdrawalSerializer(confirm_withdrawal(asked, actor=Actor.user(user_of(request)))).data
        )

    @extend_schema(request=None, responses=WithdrawalSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take it back before it is confirmed."""
        asked = self.get_changeable()
        must_say_nothing(request)
        return Response(
            WithdrawalSerializer(cancel_withdrawal(asked, actor=Actor.user(user_of(request)))).data
        )
