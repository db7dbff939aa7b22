"""Admin of the chain's nodes: to look at."""

from __future__ import annotations

from apps.billing.models import ChainNode
from apps.teams.admin_parts import Shown, register


@register(ChainNode)
class ChainNodeAdmin(Shown):
    list_display = ("name", "state_label", "height", "examined_at", "retry_at", "lies", "reason")
    list_filter = ("state",)
    search_fields = ("name",)
