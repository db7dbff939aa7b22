"""Who is told when no operator answered a dispute in time: the operators, and the Bee's owner who waits."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from apps.billing.providers.disputes import Dispute
from apps.money import plain
from apps.teams.notices.notifying import notify_operators, notify_person


def tell_of_escalation(dispute: Dispute) -> None:
    """Once for each time it is escalated; in the caller's transaction."""
    node = dispute.agreement.node
    figures = (
        f"{node} asks for {plain(dispute.asked_glm)} GLM, the Hive's figure is {plain(dispute.hive_glm)} GLM."
    )
    terms: dict[str, Any] = {
        "kind": "dispute.escalated",
        "data": {
            "dispute": dispute.pk,
            "node": node.pk,
            "asked_glm": plain(dispute.asked_glm),
            "hive_glm": plain(dispute.hive_glm),
        },
    }
    notify_operators(
        subject=f"Escalated: {dispute} waits for an answer",
        text=f"{figures} {dispute.reason}.\n\n{settings.HIVE_PORTAL_URL}/disputes/{dispute.pk}/\n",
        **terms,
    )
    notify_person(
        user=node.owner,
        subject=f"Your {dispute} is escalated",
        text=f"{figures} {dispute.reason}: it stands out to all operators now, until one of them answers.\n\n"
        f"{settings.HIVE_PORTAL_URL}/disputes/{dispute.pk}/\n",
        **terms,
    )
