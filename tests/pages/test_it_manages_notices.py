"""The pages of notices and of alerts: webhooks, what was sent, and the levels of each budget."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.billing.models import AlertLevel
from apps.teams.models import Delivery, Team, User, Webhook
from apps.teams.notices.sending import deliver_notices
from apps.teams.notices.signing import secret_of
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery
from tests.teams.conftest import receiver
from tests.teams.receiver import Receiver

__all__ = ["receiver"]

PAGE = "/teams/bakery/notices/"
ADD = "/teams/bakery/webhooks/"
ALERTS = "/teams/bakery/billing/alerts/"


def seen(client: Client, path: str = PAGE) -> str:
    return client.get(path).content.decode()


def test_a_secret_is_shown_once(team: Team, as_owner: Client, receiver: Receiver) -> None:
    assert "No webhook yet" in seen(as_owner)
    made = as_owner.post(ADD, {"url": receiver.url})
    webhook = Webhook.objects.get()
    assert secret_of(webhook) in made.content.decode()
    assert made.headers["Cache-Control"].startswith("max-age=0")
    assert secret_of(webhook) not in seen(as_owner)
    assert receiver.url in seen(as_owner)
    rotated = as_owner.post(f"/webhooks/{webhook.pk}/rotate/").content.decode()
    webhook.refresh_from_db()
    assert (webhook.generation, secret_of(webhook) in rotated) == (2, True)


def test_a_test_is_sent_and_its_answer_shown(team: Team, as_owner: Client, receiver: Receiver) -> None:
    webhook = Webhook.objects.create(team=team, url=receiver.url)
    receiver.status, receiver.says = 410, b"<script>gone</script>"
    sent = as_owner.post(f"/webhooks/{webhook.pk}/test/", follow=True).content.decode()
    assert "A test is on its way" in sent
    deliver_notices()
    shown = seen(as_owner)
    assert "Given up" in shown
    assert "&lt;script&gt;gone" in shown and "<script>gone" not in shown
    again = Delivery.objects.get()
    assert "on its way anew" in as_owner.post(f"/deliveries/{again.pk}/again/", follow=True).content.decode()
    waiting = Delivery.objects.get(state="waiting")
    told = as_owner.post(f"/deliveries/{waiting.pk}/again/", follow=True).content.decode()
    assert "on its way already" in told
    as_owner.post(f"/webhooks/{webhook.pk}/remove/")
    assert as_owner.post(f"/webhooks/{webhook.pk}/test/").status_code == 404
    assert "No webhook yet" in seen(as_owner)


@pytest.mark.parametrize(
    "url, because",
    [
        ("https://169.254.169.254/latest/meta-data", "not an address of the public internet"),
        ("http://hooks.example/", "expected https://"),
        ("", "This field is required"),
    ],
)
def test_it_tells_why_an_address_is_refused(team: Team, as_owner: Client, url: str, because: str) -> None:
    refused = as_owner.post(ADD, {"url": url})
    assert (refused.status_code, because in refused.content.decode()) == (422, True)
    assert url in refused.content.decode()
    assert not Webhook.objects.exists()


def test_an_owner_is_told_by_mail_or_not(team: Team, owner: User, as_owner: Client) -> None:
    assert f"{owner.email}</span>" in seen(as_owner)
    assert (
        "not told by mail" in as_owner.post(f"{PAGE}mails/", {"wanted": "no"}, follow=True).content.decode()
    )
    as_owner.post(f"{PAGE}mails/", {"wanted": "yes"})
    assert team.members.get().wants_mails


def test_others_see_no_address_and_change_nothing(scenery: Scenery, teammate: User) -> None:
    client, webhook = signed_in(teammate), scenery.team.webhooks.get()
    assert "Notices are sent to owners" in seen(client)
    assert webhook.url not in seen(client)
    for path in (ADD, f"{PAGE}mails/", f"/webhooks/{webhook.pk}/rotate/"):
        assert client.post(path).status_code == 404
    assert "Owners set the levels" in seen(client, ALERTS)


def test_it_shows_how_a_budget_stands_and_sets_levels(scenery: Scenery, as_owner: Client) -> None:
    page = seen(as_owner, ALERTS)
    assert "Used since the latest top-up" in page
    assert "80 % used" in page
    add = f"/teams/bakery/billing/budgets/{scenery.budget.pk}/alerts/"
    as_owner.post(add, {"kind": "runway", "level": "6"})
    assert "less than 6 h left" in seen(as_owner, ALERTS)
    for level, because in (("101", "from 1 to 100"), ("x", "whole number"), ("80", "already")):
        refused = as_owner.post(add, {"kind": "used", "level": level})
        told = refused.content.decode()
        assert (refused.status_code, because in told, f'value="{level}"' in told) == (422, True, True)
    level = AlertLevel.objects.get(kind="runway", level=6)
    as_owner.post(f"/alerts/{level.pk}/remove/")
    assert "less than 6 h left" not in seen(as_owner, ALERTS)


def test_a_team_without_a_budget_learns_what_it_will_have(team: Team, as_owner: Client) -> None:
    assert "No budget yet" in seen(as_owner, ALERTS)
