"""REST: the statement of a month, for each budget."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.billing.models import Budget
from apps.billing.statements.files import document_of
from apps.billing.statements.forms import as_file
from apps.billing.statements.months import Month, month_from
from apps.billing.statements.statement import Statement, statement_of
from apps.teams.rest import TEAM, Glm, TeamScoped

MONTH = OpenApiParameter("month", OpenApiTypes.STR, description="Such as 2026-05 (UTC); else this month.")
PDF, CSV = (200, "application/pdf"), (200, "text/csv")


class EntrySerializer(serializers.Serializer[Any]):
    """Usage is summed by day and agreement; all else is told one by one."""

    at = serializers.DateTimeField()
    kind = serializers.CharField()
    label = serializers.CharField(help_text="The kind, for people.")  # type: ignore[assignment]  # a field
    about = serializers.CharField(help_text="What it was for, or from whom or to whom, for people.")
    reference = serializers.CharField(help_text="The same as the ledger has it, for programs.")
    address = serializers.CharField(
        help_text="The wallet it came from or went to; empty where there is none."
    )
    tx_hash = serializers.CharField(
        help_text="The chain's transaction; empty where there is none, or none yet."
    )
    amount_glm = Glm(help_text="Above zero for what came in, below for what went out.")
    balance_glm = Glm(help_text="After it.")


class StatementSerializer(serializers.Serializer[Any]):
    """Held money is part of the balance: holds and releases move nothing."""

    format = serializers.CharField()
    team = serializers.SlugField()
    budget = serializers.IntegerField(help_text="Its id, which the addresses of files want.")
    name = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Not included. Now, while the month runs.")
    opening_glm = Glm()
    came_in_glm = Glm(help_text="Without what was undone within the period.")
    went_out_glm = Glm(help_text="Without what was undone within the period.")
    closing_glm = Glm()
    closing_label = serializers.CharField(
        help_text="For people. Nothing is closed while the month runs: it is a balance so far."
    )
    is_over = serializers.BooleanField(help_text="Whether the month is.")
    entries = EntrySerializer(many=True)


@extend_schema_view(
    list=extend_schema(parameters=[TEAM, MONTH], responses=StatementSerializer(many=True)),
    retrieve=extend_schema(parameters=[MONTH], responses=StatementSerializer),
)
class StatementViewSet(TeamScoped[Budget]):
    """All that moved a budget's money in a month, between its opening and its closing balance."""

    queryset = Budget.objects.select_related("team").order_by("id")
    serializer_class = StatementSerializer

    def list(self, request: Request) -> Response:
        month, page = _month(request), self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([document_of(_stated(budget, month)) for budget in page])

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(document_of(_stated(self.get_object(), _month(request))))

    @extend_schema(parameters=[MONTH], responses={PDF: OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def pdf(self, request: Request, pk: str) -> HttpResponse:
        return self._file("pdf")

    @extend_schema(parameters=[MONTH], responses={CSV: OpenApiTypes.STR})
    @action(detail=True, methods=["get"])
    def csv(self, request: Request, pk: str) -> HttpResponse:
        return self._file("csv")

    def _file(self, form: str) -> HttpResponse:
        budget, month = self.get_object(), _month(self.request)
        return as_file(budget.team, [_stated(budget, month)], month=month, form=form)


def _stated(budget: Budget, month: Month) -> Statement:
    return statement_of(budget, start=month.start, end=month.until)


def _month(request: Request) -> Month:
    try:
        return month_from(request.query_params.get("month", ""))
    except ValueError as error:
        raise serializers.ValidationError({"month": str(error)}) from None
