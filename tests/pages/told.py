"""What the scenery's team was told: a webhook that is broken, a mail that arrived."""

from __future__ import annotations

from apps.billing.alerts.crossing import check_alerts
from apps.teams.models import Delivery, DeliveryAttempt, DeliveryState, Team, Webhook
from apps.teams.notices.notifying import notify
from apps.teams.notices.sending import SENDING


def paint_told(team: Team) -> Webhook:
    check_alerts()  # that is when it sees the budget's top-up
    webhook = Webhook.objects.create(team=team, url="https://hooks.bakery.example/hive?key=of-the-receiver")
    notify(team=team, kind="budget.used", subject="Budget main: 80 % are used", text="2 GLM are left.")
    broken = Delivery.objects.get(webhook=webhook)
    said = "503 <h1>upstream is away</h1>"
    DeliveryAttempt.objects.create(delivery=broken, took_ms=214, status=503, answer=said[4:])
    Delivery.objects.filter(pk=broken.pk).update(tries=1, reason=said)
    for mail in Delivery.objects.filter(notice__team=team, webhook=None):
        DeliveryAttempt.objects.create(delivery=mail, took_ms=96, answer="taken by the mail server")
        mail.move_to(DeliveryState.DELIVERED, actor=SENDING, reason="taken by the mail server")
    return webhook
