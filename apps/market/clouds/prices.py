"""Tables that operators keep in the admin: list prices of public clouds, and what a GLM is worth."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.money import plain

CURRENCY = RegexValidator(r"^[A-Z]{3}$", "three capital letters, as USD")


def today() -> date:
    return timezone.now().date()


class CloudPrice(models.Model):
    """What a provider's price list said on one day. Nobody fetches it: an operator keeps it."""

    provider = models.CharField(max_length=60)
    product = models.CharField(max_length=80)
    region = models.CharField(max_length=60, blank=True)
    cpu_threads = models.DecimalField(max_digits=10, decimal_places=3, help_text="As the provider counts.")
    mem_gib = models.DecimalField(max_digits=12, decimal_places=3)
    price_per_hour = models.DecimalField(
        max_digits=14, decimal_places=6, validators=[MinValueValidator(0)], help_text="Without taxes."
    )
    currency = models.CharField(max_length=3, default="USD", validators=[CURRENCY])
    as_of = models.DateField(default=today, help_text="The day on which the source said so.")
    source = models.CharField(max_length=200, help_text="Where it was published, in words or as an address.")

    class Meta:
        ordering = ("provider", "cpu_threads", "mem_gib", "product")
        verbose_name = "cloud price"
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "product", "region"), name="cloud_price_once_per_product"
            ),
            models.CheckConstraint(
                name="cloud_price_is_of_something",
                condition=Q(cpu_threads__gt=0, mem_gib__gt=0, price_per_hour__gte=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.product}"

    @property
    def per_thread(self) -> Decimal:
        return self.price_per_hour / self.cpu_threads


class GlmRate(models.Model):
    """What one GLM was worth on a day, as an operator says. For estimates alone: nothing is billed by it."""

    currency = models.CharField(max_length=3, default="USD", validators=[CURRENCY])
    price = models.DecimalField(
        max_digits=18,
        decimal_places=8,
        validators=[MinValueValidator(Decimal("0.00000001"))],
        help_text="Of one GLM.",
    )
    as_of = models.DateField(default=today)
    source = models.CharField(max_length=200, help_text="Where it was read.")

    class Meta:
        ordering = ("currency", "-as_of")
        verbose_name = "GLM rate"
        get_latest_by = "as_of"
        constraints = (
            models.UniqueConstraint(fields=("currency", "as_of"), name="glm_rate_once_a_day"),
            models.CheckConstraint(name="glm_rate_is_positive", condition=Q(price__gt=0)),
        )

    def __str__(self) -> str:
        return f"1 GLM = {plain(self.price)} {self.currency} on {self.as_of}"
