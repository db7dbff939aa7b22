"""Admin of disputes: who waits for whom, the thread, and the way to the page where an operator answers."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from apps.billing.admin_parts import glm_column
from apps.billing.providers.disputes import Dispute, DisputeMessage
from apps.billing.providers.disputing import end_as_rated
from apps.billing.treasury.agreeing import agree, take_back
from apps.billing.treasury.large import person
from apps.teams.admin_parts import Rows, Shown, by_hand, register, verb
from apps.teams.audit import Actor


class Messages(Rows):
    model = DisputeMessage
    fields = ("at", "side", "author", "text", "figure_glm")
    readonly_fields = ("at",)


@register(Dispute)
class DisputeAdmin(Shown):
    """An operator answers on the dispute's own page: "View on site"."""

    list_display = (
        "agreement",
        "node",
        "state_label",
        "asked_glm",
        "hive_figure",
        "difference",
        "deadline_at",
        "reason",
        "opened_at",
    )
    list_filter = ("state",)
    search_fields = ("id", "agreement__id", "agreement__node__id", "agreement__node__name")
    list_select_related = ("agreement__node",)
    inlines = (Messages,)
    actions = ("end", "agree", "take_back")

    hive_figure = glm_column("The Hive's figure", lambda dispute: dispute.hive_glm)
    difference = glm_column("Difference", lambda dispute: dispute.open_glm)

    def node(self, dispute: Dispute) -> str:
        return str(dispute.agreement.node)

    def view_on_site(self, dispute: Dispute) -> str:
        return reverse("bees:dispute", args=[dispute.pk])

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.approve_payment"))

    @verb("Agree that another operator grants up to all that is asked", permission="approve")
    def agree(self, dispute: Dispute, actor: Actor) -> None:
        if dispute.is_terminal:
            raise ValueError("it is over")
        upto_glm = dispute.asked_glm - dispute.rated_glm
        agree(dispute, user=person(actor), upto_glm=upto_glm, reason=by_hand(actor))

    @verb("Take back that you agreed", permission="approve")
    def take_back(self, dispute: Dispute, actor: Actor) -> None:
        take_back(dispute, user=person(actor), reason=by_hand(actor))

    @verb("End at the Hive's figure")
    def end(self, dispute: Dispute, actor: Actor) -> None:
        end_as_rated(dispute, actor=actor, reason=by_hand(actor))


@register(DisputeMessage)
class DisputeMessageAdmin(Shown):
    list_display = ("at", "dispute", "side", "author", "text", "figure_glm")
    list_filter = ("side",)
    search_fields = ("text", "dispute__agreement__id")
    list_select_related = ("dispute", "author")
    date_hierarchy = "at"
