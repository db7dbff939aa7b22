"""Admin of what operators keep by hand: list prices of clouds, and the worth of a GLM."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import action
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from apps.market.models import CloudPrice, GlmRate
from apps.teams.admin_parts import register


class _Kept(ModelAdmin):
    list_per_page = 50
    list_fullwidth = True


@register(CloudPrice)
class CloudPriceAdmin(_Kept):
    list_display = (
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
    list_editable = ("price_per_hour", "as_of")
    list_filter = ("provider", "currency")
    search_fields = ("provider", "product", "region")
    actions = ("looked_up_today",)

    @action(description="Looked up today: the price is still right", permissions=["change"])
    def looked_up_today(self, request: HttpRequest, rows: QuerySet[CloudPrice]) -> None:
        changed = rows.update(as_of=timezone.now().date())
        self.message_user(request, f"{changed} dated today.")


@register(GlmRate)
class GlmRateAdmin(_Kept):
    list_display = ("__str__", "currency", "price", "as_of", "source")
    list_filter = ("currency",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"currency": "USD"}
