"""Webhooks are added, tried, given another secret and removed; what was sent is sent anew."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.teams.audit import Actor
from apps.teams.models import AuditLine, Delivery, Webhook
from apps.teams.notices.managing import (
    MOST_WEBHOOKS,
    WebhookRefused,
    add_webhook,
    redeliver,
    remove_webhook,
    rotate_secret,
    send_test,
)
from apps.teams.notices.notifying import notify
from apps.teams.notices.sending import deliver_notices
from apps.teams.notices.signing import secret_of

pytestmark = pytest.mark.django_db
OLGA = Actor("user", "olga")


def test_it_is_told_from_now_on_until_it_is_removed(team, receiver):
    webhook = add_webhook(team=team, url=receiver.url, actor=OLGA)
    notify(team=team, kind="budget.used", subject="80 %", text="are used")
    deliver_notices()
    assert receiver.verified(secret_of(webhook))["data"]["subject"] == "80 %"
    notify(team=team, kind="budget.used", subject="90 %", text="are used")
    remove_webhook(webhook, actor=OLGA)
    remove_webhook(webhook, actor=OLGA)
    notify(team=team, kind="budget.used", subject="95 %", text="are used")
    deliver_notices()
    assert len(receiver.requests) == 1
    left = Delivery.objects.get(state="given_up")
    assert left.reason == "the webhook was removed"
    steps = AuditLine.objects.filter(noun="webhook").order_by("id").values_list("after", flat=True)
    assert list(steps) == ["added", "removed"]
    assert add_webhook(team=team, url=receiver.url, actor=OLGA).pk != webhook.pk


def test_it_is_tried(webhook, receiver):
    send_test(webhook)
    deliver_notices()
    assert receiver.verified(secret_of(webhook))["type"] == "webhook.test"


def test_its_secret_is_another_one_after_a_rotation(webhook, receiver):
    old = secret_of(webhook)
    rotated = rotate_secret(webhook, actor=OLGA)
    assert (secret_of(rotated) != old, secret_of(rotated, generation=1) == old) == (True, True)
    lines = " ".join(AuditLine.objects.filter(noun="webhook").values_list("reason", flat=True))
    assert secret_of(rotated) not in lines


def test_the_same_message_is_sent_anew(webhook, receiver):
    send_test(webhook)
    with pytest.raises(WebhookRefused, match="on its way already"):
        redeliver(Delivery.objects.get(), actor=OLGA)
    receiver.status = 410
    deliver_notices()
    receiver.status = 200
    redeliver(Delivery.objects.get(), actor=OLGA)
    deliver_notices(now=timezone.now())
    (first, body), (second, same) = receiver.requests
    assert (first["webhook-id"], body) == (second["webhook-id"], same)
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["delivered", "given_up"]


def test_nothing_more_is_done_with_one_that_was_removed(webhook, receiver):
    send_test(webhook)
    deliver_notices()
    remove_webhook(webhook, actor=OLGA)
    for verb in (
        lambda: send_test(webhook),
        lambda: rotate_secret(webhook, actor=OLGA),
        lambda: redeliver(Delivery.objects.get(), actor=OLGA),
    ):
        with pytest.raises(WebhookRefused, match="was removed"):
            verb()


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://example.org", "nonsense", "https://a@b/"])
def test_it_refuses_what_is_no_address(team, url):
    with pytest.raises(WebhookRefused):
        add_webhook(team=team, url=url, actor=OLGA)
    assert not Webhook.objects.exists()


def test_a_team_has_so_many_and_each_once(team):
    for number in range(MOST_WEBHOOKS - 1):
        add_webhook(team=team, url=f"https://hooks.example/{number}", actor=OLGA)
    with pytest.raises(WebhookRefused, match="at this address"):
        add_webhook(team=team, url="https://hooks.example/1", actor=OLGA)
    add_webhook(team=team, url="https://hooks.example/last", actor=OLGA)
    with pytest.raises(WebhookRefused, match="at most 10"):
        add_webhook(team=team, url="https://hooks.example/more", actor=OLGA)
