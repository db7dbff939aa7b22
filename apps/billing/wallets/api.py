"""REST: a team's wallets, how they are proven, and what to pay in with."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.models import Wallet, WalletProof
from apps.billing.wallets.payment_requests import request_payment
from apps.billing.wallets.proving import ask_for_proof, prove_wallet
from apps.billing.wallets.siwe import address_of
from apps.teams.audit import Actor
from apps.teams.rest import TEAM, Glm, TeamScoped, acting_team, user_of
from apps.teams.strict import StrictSerializer

AMOUNT = OpenApiParameter("amount_glm", OpenApiTypes.DECIMAL, required=True, description="GLM to pay in.")


class WalletSerializer(serializers.ModelSerializer[Wallet]):
    is_proven = serializers.BooleanField(
        read_only=True, help_text="Its key signed that it is the team's; if not, an operator registered it."
    )

    class Meta:
        model = Wallet
        fields = ("address", "is_proven", "created_at")


class AddressSerializer(StrictSerializer[Any]):
    address = serializers.CharField(max_length=42, help_text="Of the wallet that is to sign: 0x…")

    def validate_address(self, address: str) -> str:
        try:
            return address_of(address)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class MessageSerializer(serializers.ModelSerializer[WalletProof]):
    """Sign `message` as it stands (personal_sign), before it expires, and send the signature with `nonce`."""

    class Meta:
        model = WalletProof
        fields = ("address", "nonce", "message", "expires_at")


class SignatureSerializer(StrictSerializer[Any]):
    nonce = serializers.CharField(max_length=64, help_text="Of the message that was signed.")
    signature = serializers.CharField(max_length=10_000, help_text="0x and 130 hexadecimal digits.")


class AmountSerializer(serializers.Serializer[Any]):
    amount_glm = serializers.DecimalField(max_digits=38, decimal_places=18)


class PaymentRequestSerializer(serializers.Serializer[Any]):
    """Only GLM from one of your wallets are credited by themselves."""

    amount_glm = Glm()
    chain_id = serializers.IntegerField()
    token = serializers.CharField(help_text="The GLM contract.")
    recipient = serializers.CharField(help_text="The Hive's treasury.")
    link = serializers.CharField(help_text="EIP-681: opens a wallet with all of it filled in.")
    qr_rows = serializers.ListField(
        child=serializers.CharField(),
        help_text="The link as a QR code: 1 is dark. Leave 4 modules around it.",
    )


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class WalletViewSet(mixins.ListModelMixin, TeamScoped[Wallet]):
    """Addresses whose deposits are the team's."""

    queryset = Wallet.objects.prefetch_related("proofs").order_by("id")
    serializer_class = WalletSerializer

    @extend_schema(request=AddressSerializer, responses={201: MessageSerializer}, parameters=[TEAM])
    @action(detail=False, methods=["post"])
    def messages(self, request: Request) -> Response:
        """A message by which a wallet proves that it is the team's (EIP-4361). Owners alone may."""
        team = acting_team(request, owner=True)
        asked = AddressSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        proof = ask_for_proof(team=team, address=asked.validated_data["address"])
        return Response(MessageSerializer(proof).data, status.HTTP_201_CREATED)

    @extend_schema(request=SignatureSerializer, responses={201: WalletSerializer}, parameters=[TEAM])
    def create(self, request: Request) -> Response:
        """Prove a wallet: the signature of a message, good once. Owners alone may."""
        team = acting_team(request, owner=True)
        asked = SignatureSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wallet = prove_wallet(team=team, actor=Actor.user(user_of(request)), **asked.validated_data)
        return Response(WalletSerializer(wallet).data, status.HTTP_201_CREATED)

    @extend_schema(responses=PaymentRequestSerializer, parameters=[AMOUNT])
    @action(detail=False, methods=["get"], url_path="payment-request", pagination_class=None)
    def payment_request(self, request: Request) -> Response:
        """What to pay in with: an EIP-681 link, and the same as a QR code."""
        asked = AmountSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        try:
            wanted = request_payment(asked.validated_data["amount_glm"])
        except ValueError as error:
            raise serializers.ValidationError({"amount_glm": str(error)}) from None
        return Response(PaymentRequestSerializer(wanted).data)
