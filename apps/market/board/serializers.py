"""How the market is written in JSON. It is the same for everybody, and says nothing of any team."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.market.clouds.compare import HOURS_A_MONTH, MOST_REPLICAS
from apps.market.history.points import ALL
from apps.market.history.series import PriceRange
from apps.market.models import CloudPrice, GlmRate
from apps.nodes.models import Offer
from apps.teams.rest import Glm

ONE, LEAST = Decimal(1), Decimal("0.001")
A_THREAD_HOUR = "GLM for one thread, busy for an hour; null: there is none."


def _size() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=14, decimal_places=3)


def _price(words: str) -> Glm:
    return Glm(allow_null=True, help_text=f"{words}; {A_THREAD_HOUR}")


class RowSerializer(serializers.Serializer[Any]):
    runtime = serializers.CharField(help_text=f"`{ALL}`: all runtimes, each node once.")
    region = serializers.CharField(help_text=f"`{ALL}`: all regions. Empty: not known, or not believed.")
    offers = serializers.IntegerField()
    nodes = serializers.IntegerField()
    cpu_threads = _size()
    cpu_threads_free = _size()
    cpu_threads_let = _size()
    mem_gib = _size()
    mem_gib_free = _size()
    gpus = serializers.IntegerField()
    gpus_free = serializers.IntegerField()
    agreements = serializers.IntegerField()
    demands = serializers.IntegerField(help_text="That look for a node now, of all regions.")
    least_glm = _price("The cheapest with something free")
    median_glm = _price("Half of the offers ask less")
    mean_glm = _price("By the threads on offer")
    paid_glm = _price("In the agreements in force")


class SummarySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    rows = RowSerializer(many=True)


class WhichSerializer(serializers.Serializer[Any]):
    runtime = serializers.CharField(default=ALL, max_length=40)
    region = serializers.CharField(default=ALL, max_length=40, allow_blank=True)


class StepSerializer(serializers.Serializer[Any]):
    """What can be had at most at this price."""

    thread_hour_glm = Glm(help_text=A_THREAD_HOUR)
    offers = serializers.IntegerField()
    cpu_threads = _size()
    cpu_threads_free = _size()


class DepthSerializer(serializers.Serializer[Any]):
    runtime = serializers.CharField()
    region = serializers.CharField()
    steps = StepSerializer(many=True)


class Amounts(serializers.ListField):
    child = Glm(allow_null=True)


class Counts(serializers.ListField):
    child = serializers.FloatField(allow_null=True)


class PriceFiguresSerializer(serializers.Serializer[Any]):
    """One list for each figure; null where there was no price, or nobody looked. Prices: one busy thread's
    hour in GLM."""

    least_glm = Amounts()
    median_glm = Amounts()
    mean_glm = Amounts()
    paid_glm = Amounts()
    cpu_threads = Counts()
    cpu_threads_free = Counts()
    cpu_threads_let = Counts()
    let_percent = Counts(help_text="Of the threads on offer.")
    nodes = Counts()
    offers = Counts()
    agreements = Counts()
    demands = Counts()


class PriceSeriesSerializer(serializers.Serializer[Any]):
    range = serializers.ChoiceField(choices=PriceRange.choices)
    span_s = serializers.IntegerField(help_text="What one point is the average of.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    at = serializers.ListField(child=serializers.FloatField(), help_text="Unix seconds.")
    figures = PriceFiguresSerializer()


class WhichPricesSerializer(WhichSerializer):
    range = serializers.ChoiceField(choices=PriceRange.choices, default=PriceRange.DAYS)


class ChangeSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    runtime = serializers.CharField()
    thread_hour_glm = Glm()
    before_glm = Glm(allow_null=True, help_text="null: its first price.")
    start_glm = Glm(source="price.start_glm")
    cpu_second_glm = Glm(source="price.cpu_second_glm")
    second_glm = Glm(source="price.second_glm")
    egress_gib_glm = Glm(source="price.egress_gib_glm")


class ChangesSerializer(serializers.Serializer[Any]):
    node = serializers.CharField()
    changes = ChangeSerializer(many=True)


class WhichNodeSerializer(serializers.Serializer[Any]):
    node = serializers.CharField(max_length=42)


class WhichAskedSerializer(WhichNodeSerializer):
    range = serializers.ChoiceField(choices=PriceRange.choices, default=PriceRange.DAYS)


class AskedSeriesSerializer(PriceSeriesSerializer):
    figures = serializers.DictField(  # type: ignore[assignment]
        child=Amounts(), help_text=f"By runtime: {A_THREAD_HOUR}"
    )


class MarketOfferSerializer(serializers.ModelSerializer[Offer]):
    node_name = serializers.CharField(source="node.name")
    region = serializers.CharField(source="believed_region", help_text="Empty: not known, or not believed.")
    cpu_threads_free = _size()
    mem_gib_free = _size()
    storage_gib_free = _size()
    gpus_free = serializers.IntegerField()
    start_glm = Glm()
    cpu_second_glm = Glm()
    second_glm = Glm()
    egress_gib_glm = Glm()
    thread_hour_glm = Glm(help_text=A_THREAD_HOUR)
    valid_until = serializers.DateTimeField(source="deadline_at")

    class Meta:
        model = Offer
        fields = (
            "id",
            "node",
            "node_name",
            "runtime",
            "region",
            "cpu_threads",
            "cpu_threads_free",
            "mem_gib",
            "mem_gib_free",
            "storage_gib",
            "storage_gib_free",
            "gpus",
            "gpus_free",
            "thread_hour_glm",
            "start_glm",
            "cpu_second_glm",
            "second_glm",
            "egress_gib_glm",
            "valid_until",
        )


class WhichOffersSerializer(WhichSerializer):
    constraints = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="In Golem's filter language: `(&(golem.inf.mem.gib>=4)(hive.region=eu-*))`.",
    )


class CloudPriceSerializer(serializers.ModelSerializer[CloudPrice]):
    class Meta:
        model = CloudPrice
        fields = (
            "provider",
            "product",
            "region",
            "cpu_threads",
            "mem_gib",
            "price_per_hour",
            "currency",
            "as_of",
            "source",
        )


class GlmRateSerializer(serializers.ModelSerializer[GlmRate]):
    class Meta:
        model = GlmRate
        fields = ("currency", "price", "as_of", "source")


class CloudsSerializer(serializers.Serializer[Any]):
    prices = CloudPriceSerializer(many=True)
    rates = GlmRateSerializer(many=True)


class WhatSerializer(serializers.Serializer[Any]):
    """So many replicas of one size."""

    replicas = serializers.IntegerField(min_value=1, max_value=MOST_REPLICAS, default=1)
    cpu_threads = serializers.DecimalField(max_digits=7, decimal_places=3, min_value=LEAST, default=ONE)
    mem_gib = serializers.DecimalField(max_digits=9, decimal_places=3, min_value=LEAST, default=ONE)
    runtime = serializers.CharField(default="docker", max_length=40)


class HereSerializer(serializers.Serializer[Any]):
    replicas = serializers.IntegerField()
    placed = serializers.IntegerField(help_text="That would find a place now.")
    per_hour_glm = Glm()
    per_month_glm = Glm(help_text=f"Of {HOURS_A_MONTH} hours.")
    reason = serializers.CharField(help_text="Why the others would not.")


def _money() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=30, decimal_places=6)


class WorthSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField(source="rate.currency")
    as_of = serializers.DateField(source="rate.as_of")
    per_hour = _money()
    per_month = _money()


class ThereSerializer(serializers.Serializer[Any]):
    price = CloudPriceSerializer()
    replicas = serializers.IntegerField()
    per_hour = _money()
    per_month = _money()
    per_hour_glm = Glm(allow_null=True, help_text="By the operator's rate; null without one.")


class ComparisonSerializer(serializers.Serializer[Any]):
    """Estimates: list prices of the days they tell, and the operator's rate for GLM."""

    here = HereSerializer()
    worth = WorthSerializer(many=True)
    there = ThereSerializer(many=True)
