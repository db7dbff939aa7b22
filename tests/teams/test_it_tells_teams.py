"""Notices go by mail and by signed webhooks until they arrive or it is too late; each answer is kept."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from standardwebhooks import WebhookVerificationError

from apps.teams.models import AuditLine, Delivery, DeliveryAttempt, Member, Notice
from apps.teams.notices.notifying import notify, notify_operators, notify_person
from apps.teams.notices.retrying import PAUSES_S, next_try
from apps.teams.notices.sending import CLAIMED_FOR, KEPT, OF_ONE_TEAM, deliver_notices, forget_notices
from apps.teams.notices.signing import OLD_SECRET_FOR, secret_of

pytestmark = pytest.mark.django_db


def tell(team, **more):
    given = {"kind": "budget.used", "subject": "80 % are used", "text": "Top it up.", "data": {"percent": 80}}
    return notify(team=team, **(given | more))


def test_it_tells_owners_by_mail_and_webhooks_with_a_signature(team, owner, teammate, webhook, receiver):
    notice = tell(team, data={"left_glm": Decimal("2.50")})
    assert deliver_notices() == 2
    [letter] = mail.outbox
    assert (letter.to, letter.subject, letter.body) == ([owner.email], "80 % are used", "Top it up.")
    told = receiver.verified(secret_of(webhook))
    assert told["type"] == "budget.used"
    assert told["data"] == {
        "left_glm": "2.50",
        "team": "bakery",
        "subject": "80 % are used",
        "text": "Top it up.",
    }
    assert receiver.requests[0][0]["webhook-id"] == f"msg_{notice.pk.hex}"
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert deliver_notices() == 0, "nothing is sent twice"


def test_a_body_that_was_changed_is_refused_by_the_signature(team, webhook, receiver):
    tell(team)
    deliver_notices()
    headers, body = receiver.requests[0]
    receiver.requests.append((headers, body.replace("80", "10")))
    with pytest.raises(WebhookVerificationError):
        receiver.verified(secret_of(webhook))


def test_it_tells_only_owners_who_want_mails(team, owner, teammate):
    Member.objects.filter(user=owner).update(wants_mails=False)
    tell(team)
    assert not Delivery.objects.exists()


def test_nothing_is_told_of_what_is_undone(team, owner):
    def undone() -> None:
        with transaction.atomic():
            tell(team)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert deliver_notices() == 0
    assert not mail.outbox


def test_the_same_key_is_told_of_once(team, owner):
    assert tell(team, key="level:1") == tell(team, key="level:1")
    assert Delivery.objects.count() == 1


def test_it_tries_again_later_and_later_with_the_same_message(team, webhook, receiver):
    tell(team)
    now = timezone.now()
    receiver.status, receiver.says = 503, b"come back"
    assert deliver_notices(now=now) == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason, delivery.next_at) == (
        "waiting",
        "503 come back",
        now + timedelta(seconds=PAUSES_S[0]),
    )
    assert deliver_notices(now=now + timedelta(seconds=1)) == 0
    receiver.status, receiver.says = 200, b"thanks"
    assert deliver_notices(now=now + timedelta(seconds=6)) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.reason) == ("delivered", 2, "200 thanks")
    (first, body), (second, same) = receiver.requests
    assert (first["webhook-id"], body) == (second["webhook-id"], same)
    attempts = DeliveryAttempt.objects.filter(delivery=delivery)
    assert list(attempts.values_list("status", "answer")) == [(503, "come back"), (200, "thanks")]


def test_it_gives_up_when_it_is_too_late(team, webhook, receiver):
    tell(team)
    receiver.status = 500
    late = timezone.now() + timedelta(days=2)
    assert deliver_notices(now=late) == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == ("given_up", "after 1 tries: 500")
    assert deliver_notices(now=late + timedelta(days=1)) == 0


def test_it_gives_up_at_once_when_the_webhook_is_gone(team, webhook, receiver):
    tell(team)
    receiver.status = 410
    deliver_notices()
    assert Delivery.objects.get().state == "given_up"


def test_a_mail_server_that_is_away_is_tried_again(team, owner, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    tell(team)
    now = timezone.now()
    deliver_notices(now=now)
    assert "the mail server did not take it" in Delivery.objects.get().reason
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    deliver_notices(now=now + timedelta(minutes=1))
    assert (len(mail.outbox), Delivery.objects.get().state) == (1, "delivered")


def test_without_a_mail_server_it_says_so(team, owner, settings, capsys):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    tell(team)
    deliver_notices()
    delivery = Delivery.objects.get()
    assert delivery.state == "delivered"
    assert delivery.reason == "written to the log: no mail server is set (HIVE_SMTP_HOST)"
    assert owner.email in capsys.readouterr().out


def test_a_worker_that_dies_while_it_sends_loses_nothing(team, owner, monkeypatch):
    tell(team)
    now = timezone.now()

    def dies(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("apps.teams.notices.sending._note", dies)
        deliver_notices(now=now)
    assert deliver_notices(now=now + timedelta(seconds=1)) == 0, "it is somebody's"
    assert deliver_notices(now=now + CLAIMED_FOR) == 1
    assert Delivery.objects.get().state == "delivered"


def test_a_team_that_takes_nothing_holds_up_no_other(team, other_team, stranger, webhook, receiver):
    for _ in range(30):
        tell(team)
    tell(other_team)
    receiver.status = 500
    assert deliver_notices() == OF_ONE_TEAM + 1
    assert [letter.to for letter in mail.outbox] == [[stranger.email]]


def test_a_rotated_secret_is_good_at_once_and_the_old_one_for_a_day(team, webhook, receiver):
    old, now = secret_of(webhook), timezone.now()
    webhook.generation, webhook.rotated_at = 2, now
    webhook.save()
    assert secret_of(webhook) != old
    tell(team)
    deliver_notices(now=timezone.now())
    assert receiver.verified(old) == receiver.verified(secret_of(webhook))
    webhook.rotated_at = now - OLD_SECRET_FOR
    webhook.save()
    tell(team)
    deliver_notices(now=timezone.now())
    with pytest.raises(WebhookVerificationError):
        receiver.verified(old)


def test_it_outlives_a_change_of_the_hives_own_key(team, webhook, receiver, settings):
    old = secret_of(webhook)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    tell(team)
    deliver_notices()
    assert receiver.verified(old) == receiver.verified(secret_of(webhook))


def test_it_tells_operators_and_where_nobody_is_named_the_log(settings, db, caplog):
    settings.HIVE_OPERATORS_EMAIL = ["ops@hive.example"]
    notify_operators(kind="proof.flagged", subject="The books\ndiffer", text="by 1 GLM")
    deliver_notices()
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [
        (["ops@hive.example"], "The books differ")
    ]
    settings.HIVE_OPERATORS_EMAIL = []
    notify_operators(kind="proof.flagged", subject="The books differ", text="by 1 GLM")
    assert "The books differ: by 1 GLM" in caplog.text
    assert deliver_notices() == 0


def test_it_tells_one_person(owner):
    notify_person(user=owner, kind="dispute.escalated", subject="Your dispute", text="waits")
    deliver_notices()
    assert [letter.to for letter in mail.outbox] == [[owner.email]]


def test_no_secret_and_no_address_gets_into_the_audit_trail(team, webhook, receiver):
    tell(team)
    deliver_notices()
    told = json.dumps(list(AuditLine.objects.values("label", "reason", "noun_id", "actor")))
    assert "80 % are used" in told
    assert "/hook" not in told
    assert secret_of(webhook).removeprefix("whsec_") not in told


def test_it_forgets_what_is_old_unless_it_is_on_its_way(team, owner):
    tell(team)
    long_after = timezone.now() + KEPT + timedelta(days=1)
    assert forget_notices(now=long_after) == 0
    deliver_notices()
    assert forget_notices(now=timezone.now()) == 0
    assert forget_notices(now=long_after) == 1
    assert not Notice.objects.exists()


@pytest.mark.parametrize(
    "sql, because",
    [
        ("UPDATE teams_notice SET text = 'other'", "what was told stays"),
        ("UPDATE teams_deliveryattempt SET answer = 'ok'", "an attempt stays"),
        ("UPDATE teams_delivery SET state = 'waiting', deadline_at = now()", "no way from delivered"),
        ("UPDATE teams_delivery SET address = 'x@y.z'", "is written once"),
        ("UPDATE teams_delivery SET address = ''", "is written once"),
    ],
)
def test_the_database_keeps_what_was_told(team, owner, sql, because):
    tell(team)
    deliver_notices()
    with pytest.raises(DatabaseError, match=because), transaction.atomic():
        connection.cursor().execute(sql)


def test_it_waits_longer_after_each_failure_and_not_beyond_its_time() -> None:
    now = timezone.now()
    deadline = now + timedelta(hours=24)
    waits = [next_try(tries, now=now, deadline_at=deadline) for tries in range(1, 12)]
    assert [(at - now).total_seconds() for at in waits if at] == [*PAUSES_S, *[PAUSES_S[-1]] * 3]
    assert next_try(3, now=deadline - timedelta(seconds=PAUSES_S[2] - 1), deadline_at=deadline) is None
