"""Links that say no hello: so many from one address, and those that do say it find the door open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from django.test import override_settings
from eth_account.signers.local import LocalAccount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from agent.protocol import Welcome
from apps.nodes.models import Enrolment
from apps.teams.models import User
from hive_portal.doorstep import Doorstep, place_of
from tests.cast import key_of_bee
from tests.switchboard.portal import SOON_S, Bee, eventually

THREE = override_settings(HIVE_SILENT_LINKS=3)


@THREE
def test_an_address_has_so_many_places_and_another_has_its_own() -> None:
    door = Doorstep()
    assert [door.enter("192.0.2.1") for _ in range(5)] == [True, True, True, False, False]
    assert door.enter("192.0.2.2") and door.enter(None)
    door.leave("192.0.2.1")
    assert [door.enter("192.0.2.1") for _ in range(2)] == [True, False]


@THREE
def test_it_forgets_whoever_has_gone() -> None:
    door = Doorstep()
    for number in range(1000):
        assert door.enter(f"2001:db8::{number:x}:1")
        door.leave(f"2001:db8::{number:x}:2")
    assert not door._waiting


@THREE
def test_it_complains_once(caplog: pytest.LogCaptureFixture) -> None:
    door = Doorstep()
    for _ in range(100):
        door.enter("192.0.2.1")
    assert [line.getMessage() for line in caplog.records] == [
        "192.0.2.1: 3 links wait there without a hello, others are refused"
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_who_has_an_address_of_ipv6_has_its_whole_network(one: str, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same


@contextmanager
def silent_link(portal: str) -> Iterator[ClientConnection]:
    """Heard the challenge, and says nothing."""
    with connect(f"{portal}/bee/link/", proxy=None) as link:
        link.recv(timeout=SOON_S)
        yield link


@THREE
def test_it_refuses_links_beyond_that_and_takes_them_when_others_have_gone(portal: str) -> None:
    with ExitStack() as links:
        first, *_ = [links.enter_context(silent_link(portal)) for _ in range(3)]
        with pytest.raises(InvalidStatus, match="403"), silent_link(portal):
            pass
        first.close()
        eventually(lambda: opens(portal))


def opens(portal: str) -> bool:
    with suppress(InvalidStatus), silent_link(portal):
        return True
    return False


@THREE
def test_bees_that_say_hello_need_no_place(
    portal: str, dial: Callable[[LocalAccount], Bee], owner: User
) -> None:
    for number in range(50, 58):
        _, token = Enrolment.issue(owner=owner, approves=True)
        bee = dial(key_of_bee(number))
        bee.say(bee.hello(token=token))
        assert bee.hear_a(Welcome).approved
