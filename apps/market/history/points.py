"""One table of prices over time: recent fine, older coarse, as statistics of the nodes are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models

from apps.money import ZERO, GlmField

ALL = "*"
"""In place of a runtime or a region: all of them together. Of all runtimes each node counts once."""


class PriceSpan(models.IntegerChoices):
    """How much time one point tells of, in seconds."""

    FIVE_MINUTES = 300, "Five minutes"
    HOUR = 3600, "One hour"
    DAY = 86_400, "One day"


KEPT = {
    PriceSpan.FIVE_MINUTES: timedelta(days=2),
    PriceSpan.HOUR: timedelta(days=90),
    PriceSpan.DAY: timedelta(days=3 * 365),
}
"""How long points of each span are kept: 576, 2,160 and 1,095 of each runtime in each region."""


def _figure() -> models.FloatField[float, float]:
    return models.FloatField(default=0)


def _price(words: str) -> GlmField:
    return GlmField(null=True, blank=True, help_text=f"GLM for one busy thread an hour: {words}")


def _threads() -> models.DecimalField:
    return models.DecimalField(max_digits=14, decimal_places=3, default=ZERO)


class PricePoint(models.Model):
    """What one runtime cost in one region over the span that begins at `at`.

    Counts are averages of the whole span, prices of the looks at which there was one. Prices are those of
    one thread, busy for an hour. NULL: there was none.
    """

    pk = models.CompositePrimaryKey("runtime", "region", "span_s", "at")
    runtime = models.CharField(max_length=40)
    region = models.CharField(max_length=40, blank=True, help_text="'': of those whose region is not known.")
    span_s = models.IntegerField(choices=PriceSpan.choices)
    at = models.DateTimeField()
    samples = models.IntegerField(default=1, help_text="Of how many looks at the book it is the average.")
    least_glm = _price("the cheapest with something free")
    median_glm = _price("half of the offers ask less")
    mean_glm = _price("by the threads on offer")
    paid_glm = _price("in the agreements in force, by their threads")
    cpu_threads = _threads()
    cpu_threads_free = _threads()
    cpu_threads_let = _threads()
    nodes = _figure()
    offers = _figure()
    agreements = _figure()
    demands = _figure()

    PRICES: ClassVar = ("least_glm", "median_glm", "mean_glm", "paid_glm")
    COUNTS: ClassVar = (
        "cpu_threads",
        "cpu_threads_free",
        "cpu_threads_let",
        "nodes",
        "offers",
        "agreements",
        "demands",
    )

    class Meta:
        ordering = ("runtime", "region", "span_s", "at")
        indexes = (models.Index(fields=("span_s", "at"), name="price_point_by_age"),)

    def __str__(self) -> str:
        return f"{self.runtime} in {self.region or 'no known region'} at {self.at:%Y-%m-%d %H:%M}"
