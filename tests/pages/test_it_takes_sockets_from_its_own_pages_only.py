"""A browser's socket opens for the portal's own pages; another port of the same host is another's page."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from hive_portal.origins import OwnOrigins

# The consumer that refuses has a channel of its own, so Redis must be there.
pytestmark = [pytest.mark.real, pytest.mark.usefixtures("stack")]


async def greet(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})


async def opens(origin: str | None) -> bool:
    headers = [] if origin is None else [(b"origin", origin.encode())]
    socket = ApplicationCommunicator(OwnOrigins(greet), {"type": "websocket", "headers": headers})
    await socket.send_input({"type": "websocket.connect"})
    answer = await socket.receive_output(timeout=5)
    return bool(answer["type"] == "websocket.accept")


@pytest.mark.parametrize("origin", ["http://localhost:8000", "http://127.0.0.1:8000"])
async def test_it_takes_both_names_of_this_machine(settings: Any, origin: str) -> None:
    settings.HIVE_PORTAL_URL = "http://localhost:8000"
    assert await opens(origin)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://localhost",
        "https://localhost:8000",
        "http://web.hello.demo.localhost:8000",
        "http://localhost:99999",
    ],
)
async def test_it_refuses_other_ports_schemes_and_hosts(settings: Any, origin: str | None) -> None:
    settings.HIVE_PORTAL_URL = "http://localhost:8000"
    assert not await opens(origin)


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        ("https://hive.example", True),
        ("https://hive.example:443", True),
        ("https://www.other.example", True),
        ("http://hive.example", False),
        ("https://hive.example:8443", False),
        ("https://localhost", False),
    ],
)
async def test_it_goes_by_the_address_people_know(settings: Any, origin: str, is_taken: bool) -> None:
    settings.HIVE_PORTAL_URL = "https://hive.example"
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.other.example"]
    assert await opens(origin) is is_taken
