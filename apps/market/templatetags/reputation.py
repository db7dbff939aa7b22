"""`{% reputation node sees_all %}`: the card on a node's page."""

from __future__ import annotations

from typing import Any

from django import template

from apps.market.reputation.showing import shown
from apps.nodes.models import Node

register = template.Library()


@register.inclusion_tag("market/_reputation.html")
def reputation(node: Node, with_facts: bool = False) -> dict[str, Any]:
    """`with_facts`: for its owner and for operators, who may know what happened under which agreement."""
    return {"reputation": shown(node, with_facts=with_facts), "with_facts": with_facts}
