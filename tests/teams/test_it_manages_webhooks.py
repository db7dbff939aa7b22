"""Webhooks are added, tried, given another secret and removed; what was sent is sent anew."""

from __future__ import annotations

import socket
import threading

import pytest
from django.utils import timezone

from apps.teams.audit import Actor
from apps.teams.models import AuditLine, Delivery, Webhook
from apps.teams.notices import reaching
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


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "017700000001", "[::1]"])
def test_it_refuses_at_once_what_leads_to_the_hives_own_network(team, host):
    with pytest.raises(WebhookRefused, match="is not an address of the public internet"):
        add_webhook(team=team, url=f"https://{host}/", actor=OLGA)
    assert not Webhook.objects.exists()


def test_it_takes_what_leads_to_a_network_that_a_setting_allows(team, receiver):
    url = receiver.url.replace("127.0.0.1", "localhost")
    assert url != receiver.url
    assert add_webhook(team=team, url=url, actor=OLGA).url == url


def test_it_takes_a_name_that_means_nothing_yet(team, monkeypatch):
    def nobody(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert add_webhook(team=team, url="https://soon.example/", actor=OLGA)


def test_it_waits_so_long_for_a_name_and_no_longer(team, monkeypatch):
    resolver = threading.Event()
    monkeypatch.setattr(reaching, "RESOLVED_WITHIN_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: resolver.wait(30))
    assert add_webhook(team=team, url="https://slow.example/", actor=OLGA)
    assert not resolver.is_set(), "the resolver still sits there"
    resolver.set()


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
