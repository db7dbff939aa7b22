"""Mails go to a real mail server: taken, tried again, or given up, as it says; over TLS where that is set."""

from __future__ import annotations

import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.utils import timezone

from apps.teams.models import Delivery, Member, Role, Team, User
from apps.teams.notices import sending
from apps.teams.notices.notifying import notify, notify_operators
from apps.teams.notices.posting import TAKEN
from apps.teams.notices.refusing import refusal
from apps.teams.notices.sending import deliver_notices
from tests.teams.mail_server import MailServer, serving_mail

pytestmark = [pytest.mark.django_db, pytest.mark.real]


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with serving_mail() as server:
        set_up(settings, server)
        yield server


def set_up(settings: Any, server: MailServer, *, tls: bool = False) -> None:
    """As an operator does, by HIVE_SMTP_HOST and its like."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "localhost", server.port, tls
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "hive@hive.example"


@pytest.fixture
def owners(team: Team, owner: User) -> Callable[[str], User]:
    """`owners("hugo")` is one more."""

    def make(name: str) -> User:
        user = User.objects.create_user(username=name, email=f"{name}@example.org", password=f"{name}-pass")
        Member.objects.create(team=team, user=user, role=Role.OWNER)
        return user

    return make


def tell(team: Team, subject: str = "80 % are used", text: str = "Top it up.") -> None:
    notify(team=team, kind="budget.used", subject=subject, text=text)


def delivery_to(user: User) -> Delivery:
    return Delivery.objects.get(address=user.email)


# -- taken ------------------------------------------------------------------------------------------------


def test_a_mail_with_umlauts_is_taken(server: MailServer, team: Team, owner: User) -> None:
    text = "Für „Bäckerei“ reicht es noch 3 Tage: 12,5 €.\n.\n" + "ö" * 1200 + "\n"
    tell(team, "Bäckerei: 80 % sind verbraucht – 你好", text)
    deliver_notices()
    letter = server.to(owner.email)
    assert letter["subject"] == "Bäckerei: 80 % sind verbraucht – 你好"
    assert (letter["from"], letter["to"]) == ("hive@hive.example", owner.email)
    assert letter.get_content().replace("\r\n", "\n").rstrip() == text.rstrip()
    delivery = delivery_to(owner)
    assert (delivery.state, delivery.reason) == ("delivered", TAKEN)


@pytest.mark.parametrize(
    "name",
    ["Rolls\nBcc: all@example.org", "Rolls\r\n\r\nPay here", "Rolls\x0b\x0c\x85\u2028Bcc: x@y.z", "\n"],
)
def test_no_name_writes_headers(server: MailServer, team: Team, owner: User, name: str) -> None:
    Team.objects.filter(pk=team.pk).update(name=name)
    team.refresh_from_db()
    tell(team, f"{team.name}: 80 % are used")
    deliver_notices()
    [(recipients, letter)] = server.taken
    assert recipients == [owner.email]
    assert set(letter.keys()) == {
        "Content-Type",
        "MIME-Version",
        "Content-Transfer-Encoding",
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
    }
    assert letter["subject"] == f"{' '.join(name.split())}: 80 % are used".strip()
    assert letter.get_content().strip() == "Top it up."


def test_an_address_that_writes_headers_is_given_up(server: MailServer, settings: Any, db: None) -> None:
    settings.HIVE_OPERATORS_EMAIL = ["ops@hive.example\nBcc: all@example.org"]
    notify_operators(kind="proof.flagged", subject="The books differ", text="by 1 GLM")
    deliver_notices()
    delivery = Delivery.objects.get()
    assert (delivery.state, server.taken) == ("given_up", [])
    assert "Invalid address" in delivery.reason


# -- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to_what", ["olga@example.org", "DATA"])
def test_a_4xx_is_tried_again(server: MailServer, team: Team, owner: User, to_what: str) -> None:
    server.answers[to_what] = "451 4.7.1 greylisted, come back"
    tell(team)
    now = timezone.now()
    deliver_notices(now=now)
    delivery = delivery_to(owner)
    assert (delivery.state, delivery.reason) == (
        "waiting",
        "the mail server did not take it: 451 4.7.1 greylisted, come back",
    )
    server.answers.clear()
    deliver_notices(now=now + timedelta(seconds=6))
    assert delivery_to(owner).state == "delivered"
    assert len(server.taken) == 1


@pytest.mark.parametrize("to_what", ["olga@example.org", "DATA"])
def test_a_5xx_is_given_up_with_what_was_said(
    server: MailServer, team: Team, owner: User, to_what: str
) -> None:
    server.answers[to_what] = "550 5.1.1 nobody of that name here"
    tell(team)
    deliver_notices()
    delivery = delivery_to(owner)
    assert delivery.state == "given_up"
    assert delivery.reason.endswith("the mail server did not take it: 550 5.1.1 nobody of that name here")
    assert [each.answer for each in delivery.attempts.all()] == [
        "the mail server did not take it: 550 5.1.1 nobody of that name here"
    ]


def test_one_who_is_refused_keeps_it_from_no_other(
    server: MailServer, team: Team, owner: User, owners: Callable[[str], User]
) -> None:
    hugo = owners("hugo")
    server.answers[owner.email] = "550 nobody of that name here"
    tell(team)
    deliver_notices()
    assert (delivery_to(owner).state, delivery_to(hugo).state) == ("given_up", "delivered")
    assert server.to(hugo.email)["subject"] == "80 % are used"


def test_what_the_server_has_against_the_hive_is_tried_again() -> None:
    """A wrong password is no recipient's fault, and an operator can mend it within the day."""
    assert refusal(smtplib.SMTPAuthenticationError(535, b"5.7.8 wrong password")) == (
        "535 5.7.8 wrong password",
        False,
    )
    assert refusal(smtplib.SMTPSenderRefused(550, b"not you", "hive@hive.example")) == ("550 not you", False)
    assert refusal(smtplib.SMTPServerDisconnected("Connection unexpectedly closed"))[1] is False
    assert refusal(TimeoutError()) == ("TimeoutError", False)


# -- silent -----------------------------------------------------------------------------------------------


def test_silence_for_one_holds_up_no_other(
    server: MailServer,
    team: Team,
    owner: User,
    owners: Callable[[str], User],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server says nothing of one until the other's answer is written down."""
    hugo, noted = owners("hugo"), threading.Event()
    server.silent_for[owner.email] = noted
    order, note = [], sending._note

    def noting(delivery: Delivery, *args: Any, **kwargs: Any) -> None:
        note(delivery, *args, **kwargs)
        order.append(delivery.address)
        noted.set()

    monkeypatch.setattr(sending, "_note", noting)
    tell(team)
    assert deliver_notices() == 2
    assert order == [hugo.email, owner.email]
    assert {delivery_to(each).state for each in (owner, hugo)} == {"delivered"}


def test_a_server_that_stays_silent_is_left(
    server: MailServer, team: Team, owner: User, settings: Any
) -> None:
    settings.EMAIL_TIMEOUT = 0.5
    server.silent_for[owner.email] = threading.Event()
    tell(team)
    deliver_notices()
    delivery = delivery_to(owner)
    assert (delivery.state, server.taken) == ("waiting", [])
    assert "timed out" in delivery.reason


# -- TLS --------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The one that this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


def tls_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_it_speaks_tls(authority: trustme.CA, team: Team, owner: User, settings: Any) -> None:
    tell(team)
    with serving_mail(tls_of(authority, "localhost")) as server:
        set_up(settings, server, tls=True)
        deliver_notices()
    assert server.to(owner.email)["subject"] == "80 % are used"


@pytest.mark.parametrize("who", ["another name", "another authority"])
def test_it_tells_nobody_else(
    authority: trustme.CA, team: Team, owner: User, settings: Any, who: str
) -> None:
    signed_by = authority if who == "another name" else trustme.CA()
    tell(team)
    with serving_mail(tls_of(signed_by, "mail.test" if who == "another name" else "localhost")) as server:
        set_up(settings, server, tls=True)
        deliver_notices()
    delivery = delivery_to(owner)
    assert (delivery.state, server.taken) == ("waiting", [])
    assert "certificate verify failed" in delivery.reason


def test_without_tls_it_says_nothing_where_tls_is_set(
    server: MailServer, team: Team, owner: User, settings: Any
) -> None:
    """Who sits between takes STARTTLS out of the answer: neither mail nor password goes in plain text."""
    settings.EMAIL_USE_TLS, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = True, "hive", "secret"
    tell(team)
    deliver_notices()
    delivery = delivery_to(owner)
    assert (delivery.state, server.taken) == ("waiting", [])
    assert "STARTTLS" in delivery.reason
