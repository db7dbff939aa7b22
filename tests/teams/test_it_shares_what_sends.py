"""What sends notices is everybody's: no team has more than its share of it, however little it answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from apps.teams.audit import Actor
from apps.teams.models import Delivery, Team, Webhook
from apps.teams.notices import managing
from apps.teams.notices.managing import TESTED_FOR, WebhookRefused, redeliver, send_test
from apps.teams.notices.notifying import DELIVER, notify
from apps.teams.notices.sending import CLAIMED_FOR, OF_ONE_TEAM, deliver_notices
from hive_portal.celery import app
from hive_portal.serve import WORKERS

OLGA = Actor("user", "olga")


class Silent:
    """Accepts connections and answers nothing until it is ended."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.callers: list[socket.socket] = []

    def wait_for(self, callers: int) -> None:
        self.listener.settimeout(30)
        while len(self.callers) < callers:
            self.callers.append(self.listener.accept()[0])

    def end(self) -> None:
        for each in [*self.callers, self.listener]:
            each.close()


@pytest.fixture
def silent(receiver) -> Iterator[Silent]:
    server = Silent()
    yield server
    server.end()


def tell(team: Team, times: int = 1) -> None:
    for _ in range(times):
        notify(team=team, kind="budget.used", subject="80 %", text="are used")


def deliver_beside() -> threading.Thread:
    def work() -> None:
        deliver_notices()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.real
@pytest.mark.django_db(transaction=True)
def test_a_team_that_never_answers_gets_no_second_worker(team, other_team, stranger, silent) -> None:
    Webhook.objects.create(team=team, url=silent.url)
    tell(team, times=20)
    first = deliver_beside()
    silent.wait_for(OF_ONE_TEAM)
    tell(other_team)
    assert deliver_notices() == 1, "the other team's alone"
    assert first.is_alive()
    assert Delivery.objects.get(address=stranger.email).state == "delivered"
    silent.end()
    first.join()
    assert deliver_notices() == OF_ONE_TEAM, "its next ones, now that those before are answered"


@pytest.mark.django_db
def test_what_a_dead_worker_had_counts_no_longer_than_it_is_its_own(team, webhook, monkeypatch) -> None:
    tell(team, times=OF_ONE_TEAM + 1)
    now = timezone.now()

    def dies(*_args, **_kwargs) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("apps.teams.notices.sending._note", dies)
        deliver_notices(now=now)
    assert deliver_notices(now=now + timedelta(seconds=1)) == 0
    assert deliver_notices(now=now + CLAIMED_FOR) == OF_ONE_TEAM


@pytest.mark.django_db
def test_a_test_is_short_and_the_only_one_of_its_webhook(webhook, receiver) -> None:
    receiver.status = 500
    first, now = send_test(webhook), timezone.now()
    assert first.deadline_at is not None
    assert first.deadline_at - now <= TESTED_FOR
    with pytest.raises(WebhookRefused, match="a test is on its way already"):
        send_test(webhook)
    while Delivery.objects.filter(state="waiting").exists():
        now += timedelta(seconds=30)
        deliver_notices(now=now)
    assert now - first.created_at < 2 * TESTED_FOR
    send_test(webhook)


@pytest.mark.django_db
def test_the_same_message_is_not_on_its_way_twice(team, webhook, receiver) -> None:
    receiver.status = 410
    tell(team)
    deliver_notices()
    given_up = Delivery.objects.get(webhook=webhook)
    redeliver(given_up, actor=OLGA)
    with pytest.raises(WebhookRefused, match="on its way already"):
        redeliver(given_up, actor=OLGA)


@pytest.mark.django_db
def test_nothing_is_sent_by_hand_where_much_waits(team, webhook, receiver, monkeypatch) -> None:
    receiver.status = 410
    tell(team)
    deliver_notices()
    monkeypatch.setattr(managing, "MOST_WAITING", 2)
    tell(team, times=2)
    for verb in (lambda: send_test(webhook), lambda: redeliver(Delivery.objects.last(), actor=OLGA)):
        with pytest.raises(WebhookRefused, match="2 notices wait to be sent there: they go first"):
            verb()


def test_notices_have_a_queue_of_their_own() -> None:
    """A bare worker listens to both, those of `hive serve` to one each."""
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in ours}
    assert {name for name, queue in queues.items() if queue != "celery"} == {DELIVER}
    assert queues[DELIVER] == "notices"
    assert set(settings.CELERY_TASK_QUEUES) == set(app.amqp.queues) == set(WORKERS)
