"""Admin of the nodes' room: machines, how long they were heard, enrolments, offers."""

from __future__ import annotations

from django.contrib import admin
from django.forms.widgets import Script
from unfold.decorators import display

from apps.nodes.models import Listener, Node, NodeBenchmark, NodeSession, Offer
from apps.teams.admin_parts import Rows, Shown, by_hand, register, verb
from apps.teams.audit import Actor


class OfferRows(Rows):
    model = Offer
    fields = ("runtime", "state", "cpu_threads", "mem_gib", "second_glm", "cpu_second_glm", "deadline_at")


@register(Node)
class NodeAdmin(Shown):
    list_display = (
        "name",
        "address",
        "state_label",
        "scheduling",
        "load",
        "place",
        "last_seen_at",
        "deadline_at",
        "owner",
        "reason",
    )
    list_filter = (
        "state",
        "scheduling",
        ("approved_at", admin.EmptyFieldListFilter),
        "region",
        ("region_fault", admin.EmptyFieldListFilter),
    )
    search_fields = ("id", "name", "owner__username")
    list_select_related = ("owner",)
    inlines = (OfferRows,)
    readonly_fields = ("benchmark",)
    change_form_outer_before_template = "admin/node_charts.html"
    actions = ("approve", "cordon", "uncordon", "drain", "ban", "unban")

    class Media:
        css = {"all": ("vendor/uplot.min.css", "css/charts.css")}
        js = (Script("vendor/uplot.min.js", defer=True), Script("js/charts.js", defer=True))

    @display(description="Id")
    def address(self, node: Node) -> str:
        return f"{node.id[:8]}…{node.id[-4:]}"

    @display(description="Region", ordering="region")
    def place(self, node: Node) -> str:
        return f"{node.region} (doubted)" if node.region_fault else node.region

    @display(description="CPU")
    def load(self, node: Node) -> str:
        return f"{node.cpu_threads_claimed.normalize():f}/{node.cpu_threads.normalize():f}"

    @verb("Approve")
    def approve(self, node: Node, actor: Actor) -> None:
        node.approve(actor=actor)

    @verb("Cordon: take nothing new")
    def cordon(self, node: Node, actor: Actor) -> None:
        node.cordon(actor=actor, reason=by_hand(actor))

    @verb("Uncordon: open again")
    def uncordon(self, node: Node, actor: Actor) -> None:
        node.uncordon(actor=actor, reason=by_hand(actor))

    @verb("Drain: move what runs elsewhere")
    def drain(self, node: Node, actor: Actor) -> None:
        node.drain(actor=actor, reason=by_hand(actor))

    @verb("Ban: refuse its key")
    def ban(self, node: Node, actor: Actor) -> None:
        node.ban(actor=actor, reason=by_hand(actor))

    @verb("Lift the ban")
    def unban(self, node: Node, actor: Actor) -> None:
        node.unban(actor=actor, reason=by_hand(actor))


@register(NodeSession)
class NodeSessionAdmin(Shown):
    list_display = (
        "node",
        "peer",
        "round_trip_ms",
        "opened_at",
        "last_seen_at",
        "closed_at",
        "close_reason",
    )
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    search_fields = ("node__id", "node__name")
    list_select_related = ("node",)


@register(NodeBenchmark)
class NodeBenchmarkAdmin(Shown):
    list_display = ("node", "at", *NodeBenchmark.FIGURES)
    search_fields = ("node__id", "node__name")
    list_select_related = ("node",)
    date_hierarchy = "at"


@register(Listener)
class ListenerAdmin(Shown):
    list_display = ("__str__",)


@register(Offer)
class OfferAdmin(Shown):
    list_display = (
        "node",
        "runtime",
        "state_label",
        "cpu_threads",
        "mem_gib",
        "storage_gib",
        "gpus",
        "second_glm",
        "cpu_second_glm",
        "deadline_at",
    )
    list_filter = ("state", "runtime")
    search_fields = ("id", "node__id", "node__name")
    list_select_related = ("node",)


from apps.nodes import enrolment_admin  # noqa: E402, F401
