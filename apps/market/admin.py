"""Admin of the market: demands, proposals, agreements."""

from __future__ import annotations

from unfold.decorators import display

from apps.market.models import Agreement, Demand, Proposal
from apps.market.negotiating.negotiation import cancel, terminate
from apps.money import plain
from apps.teams.admin_parts import Rows, Shown, by_hand, register, verb
from apps.teams.audit import Actor


class ProposalRows(Rows):
    model = Proposal
    fields = ("offer", "round", "issuer", "state", "second_glm", "cpu_second_glm", "reason")


class AgreementRows(Rows):
    model = Agreement
    fields = ("node", "state", "approved_at", "ended_at", "reason")


@register(Demand)
class DemandAdmin(Shown):
    list_display = ("__str__", "team", "state_label", "reason", "retry_at", "deadline_at", "created_at")
    list_filter = ("state", "team")
    search_fields = ("id", "reference", "image", "reason")
    list_select_related = ("team",)
    inlines = (ProposalRows, AgreementRows)
    actions = ("cancel",)

    @verb("Cancel")
    def cancel(self, demand: Demand, actor: Actor) -> None:
        cancel(demand, actor=actor, reason=by_hand(actor))


@register(Proposal)
class ProposalAdmin(Shown):
    list_display = (
        "demand",
        "offer",
        "round",
        "issuer",
        "state_label",
        "reason",
        "deadline_at",
        "created_at",
    )
    list_filter = ("state", "round", "issuer")
    search_fields = ("id", "demand__reference", "offer__node__id")
    list_select_related = ("demand", "offer")


@register(Agreement)
class AgreementAdmin(Shown):
    list_display = (
        "id",
        "team",
        "node",
        "state_label",
        "image",
        "per_hour",
        "approved_at",
        "ended_at",
        "reason",
    )
    list_filter = ("state", "team", "runtime")
    search_fields = ("id", "node__id", "node__name", "image", "demand__reference")
    list_select_related = ("team", "node")
    actions = ("terminate",)

    @display(description="GLM per hour")
    def per_hour(self, agreement: Agreement) -> str:
        return plain(agreement.price_per_hour_glm)

    @verb("Terminate")
    def terminate(self, agreement: Agreement, actor: Actor) -> None:
        terminate(agreement, actor=actor, reason=by_hand(actor))


from apps.market.clouds import admin as _clouds  # noqa: E402, F401
from apps.market.keys import admin as _keys  # noqa: E402, F401
from apps.market.reputation import admin as _reputation  # noqa: E402, F401
