"""REST: the market, the same for everybody who is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from apps.market.board import serializers as written
from apps.market.board.depth import depth
from apps.market.board.listing import listed
from apps.market.board.lots import lets, lots, of_place, wanted
from apps.market.board.rows import rows
from apps.market.clouds.compare import compare, newest_rates
from apps.market.filters import FilterError
from apps.market.filters.patience import in_time
from apps.market.history.asked import asked_series
from apps.market.history.changes import price_changes
from apps.market.history.series import PriceRange, price_series
from apps.market.models import CloudPrice
from apps.market.needs import Need
from apps.nodes.models import Node, Offer
from apps.nodes.reach import reachable_nodes


class MarketViewSet(GenericViewSet[Offer]):
    """What is on offer, at which prices, now and before. Anonymous where it tells of teams."""

    queryset = Offer.objects.none()
    reached_by_keys = True
    serializer_class = written.MarketOfferSerializer

    @extend_schema(responses=written.SummarySerializer)
    @action(detail=False)
    def summary(self, request: Request) -> Response:
        """The book by runtime and region, with the sums of both."""
        told = {"at": timezone.now(), "rows": rows(lots(), lets(), wanted())}
        return Response(written.SummarySerializer(told).data)

    @extend_schema(
        parameters=[written.WhichOffersSerializer], responses=written.MarketOfferSerializer(many=True)
    )
    @action(detail=False)
    def offers(self, request: Request) -> Response:
        """The offers that can be taken now, the cheapest first, filtered in Golem's language."""
        asked = _asked(written.WhichOffersSerializer, request)
        with _told(), in_time(asked["constraints"]):
            page = self.paginate_queryset(listed(**asked))
            return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(parameters=[written.WhichSerializer], responses=written.DepthSerializer)
    @action(detail=False)
    def depth(self, request: Request) -> Response:
        """How much there is at which price."""
        asked = _asked(written.WhichSerializer, request)
        return Response(written.DepthSerializer(asked | {"steps": depth(of_place(lots(), **asked))}).data)

    @extend_schema(parameters=[written.WhichPricesSerializer], responses=written.PriceSeriesSerializer)
    @action(detail=False)
    def prices(self, request: Request) -> Response:
        """What a runtime cost in a region over time, and how much of it was let."""
        asked = _asked(written.WhichPricesSerializer, request)
        asked["range"] = PriceRange(asked["range"])
        return Response(written.PriceSeriesSerializer(price_series(**asked)._asdict()).data)

    @extend_schema(parameters=[written.WhichNodeSerializer], responses=written.ChangesSerializer)
    @action(detail=False)
    def changes(self, request: Request) -> Response:
        """Each change of one node's own prices, the newest first."""
        node = _node(request, **_asked(written.WhichNodeSerializer, request))
        told = {"node": node.pk, "changes": price_changes(node)}
        return Response(written.ChangesSerializer(told).data)

    @extend_schema(parameters=[written.WhichAskedSerializer], responses=written.AskedSeriesSerializer)
    @action(detail=False)
    def asked(self, request: Request) -> Response:
        """What one node asked over time, by runtime."""
        asked = _asked(written.WhichAskedSerializer, request)
        told = asked_series(_node(request, asked["node"]), PriceRange(asked["range"]))
        return Response(written.AskedSeriesSerializer(told._asdict()).data)

    @extend_schema(responses=written.CloudsSerializer)
    @action(detail=False)
    def clouds(self, request: Request) -> Response:
        """The list prices of public clouds that operators keep, and their rates for GLM."""
        told = {"prices": CloudPrice.objects.all(), "rates": newest_rates().values()}
        return Response(written.CloudsSerializer(told).data)

    @extend_schema(parameters=[written.WhatSerializer], responses=written.ComparisonSerializer)
    @action(detail=False)
    def compare(self, request: Request) -> Response:
        """What so many replicas would cost here and at public clouds."""
        what = _asked(written.WhatSerializer, request)
        runtime, replicas = what.pop("runtime"), what.pop("replicas")
        told = compare(Need(runtimes=[runtime], **what), replicas=replicas)
        return Response(written.ComparisonSerializer(told).data)


def _asked(kind: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = kind(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _node(request: Request, node: str) -> Node:
    found = reachable_nodes(request).filter(pk=node.lower()).first()
    if found is None:
        raise NotFound(f"there is no node {node} on this market")
    return found


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a filter, as the field's fault."""
    try:
        yield
    except FilterError as error:
        raise ValidationError({"constraints": str(error)}) from None
