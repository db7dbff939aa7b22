"""Admin of alerts: the levels that teams set, and whether they were told."""

from __future__ import annotations

from apps.billing.models import AlertLevel, TopUp
from apps.teams.admin_parts import Shown, register


@register(AlertLevel)
class AlertLevelAdmin(Shown):
    list_display = ("budget", "kind", "level", "crossed_at", "crossings", "created_at")
    list_filter = ("kind", "budget__team")
    search_fields = ("budget__name", "budget__team__slug")
    list_select_related = ("budget__team",)


@register(TopUp)
class TopUpAdmin(Shown):
    list_display = ("budget", "deposit", "spent_glm")
    search_fields = ("budget__name", "budget__team__slug")
    list_select_related = ("budget__team",)
