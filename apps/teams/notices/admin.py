"""Admin of what people are told: notices with their deliveries, each with what was answered; webhooks."""

from __future__ import annotations

from unfold.decorators import display

from apps.teams.admin_parts import Rows, Shown, register, verb
from apps.teams.audit import Actor
from apps.teams.notices.managing import redeliver, remove_webhook
from apps.teams.notices.models import Delivery, DeliveryAttempt, Notice, Webhook


class DeliveryRows(Rows):
    model = Delivery
    fields = ("webhook", "address", "state", "tries", "next_at", "claimed_until", "reason")
    readonly_fields = fields


class AttemptRows(Rows):
    model = DeliveryAttempt
    fields = ("at", "took_ms", "status", "answer")
    readonly_fields = fields
    show_change_link = False


@register(Notice)
class NoticeAdmin(Shown):
    list_display = ("created_at", "kind", "subject", "team")
    list_filter = ("kind", "team")
    search_fields = ("subject", "text", "team__slug")
    list_select_related = ("team",)
    date_hierarchy = "created_at"
    inlines = (DeliveryRows,)


@register(Delivery)
class DeliveryAdmin(Shown):
    list_display = ("notice", "to", "state_label", "tries", "next_at", "deadline_at", "reason")
    list_filter = ("state", "notice__kind", "notice__team")
    search_fields = ("address", "notice__subject", "notice__team__slug")
    list_select_related = ("notice", "webhook")
    inlines = (AttemptRows,)
    actions = ("send_anew",)

    @display(description="To")
    def to(self, delivery: Delivery) -> str:
        return str(delivery.webhook or delivery.address)

    @verb("Send anew")
    def send_anew(self, delivery: Delivery, actor: Actor) -> None:
        redeliver(delivery, actor=actor)


@register(DeliveryAttempt)
class DeliveryAttemptAdmin(Shown):
    list_display = ("at", "delivery", "status", "took_ms", "answer")
    list_filter = ("status",)
    search_fields = ("delivery__address", "answer")
    list_select_related = ("delivery__notice", "delivery__webhook")
    date_hierarchy = "at"


@register(Webhook)
class WebhookAdmin(Shown):
    """Of its address the host alone: the rest may be a secret of its receiver's."""

    list_display = ("__str__", "team", "created_at", "rotated_at", "removed_at")
    list_filter = ("team",)
    search_fields = ("team__slug",)
    list_select_related = ("team",)
    exclude = ("url",)
    actions = ("remove",)

    @verb("Remove")
    def remove(self, webhook: Webhook, actor: Actor) -> None:
        remove_webhook(webhook, actor=actor)
