"""Admin of reputations: what is known of each node, and the facts, which nobody changes."""

from __future__ import annotations

from unfold.decorators import display

from apps.market.reputation.records import NodeReputation, ReputationFact
from apps.teams.admin_parts import Shown, register


@register(NodeReputation)
class NodeReputationAdmin(Shown):
    list_display = ("node", "score", "is_newcomer", "kept", "lost", "uptime", "why", "computed_at")
    list_filter = ("is_newcomer",)
    search_fields = ("node__id", "node__name", "node__owner__username")
    list_select_related = ("node",)

    @display(description="Why")
    def why(self, reputation: NodeReputation) -> str:
        return "; ".join(reputation.sentences)


@register(ReputationFact)
class ReputationFactAdmin(Shown):
    list_display = ("node", "kind", "at", "weight", "merit", "detail", "agreement")
    list_filter = ("kind",)
    search_fields = ("node__id", "node__name", "reference", "detail")
    list_select_related = ("node", "agreement__node")
    date_hierarchy = "at"
