"""The deployment page tells itself what changed, to those who may see it."""

from __future__ import annotations

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser

from apps.deployments.live import announce
from apps.deployments.models import ReplicaState
from apps.deployments.reading import NOT_FOUND
from apps.deployments.routing import websocket_urlpatterns
from apps.teams.audit import Actor
from apps.teams.models import Member, User
from tests.pages.scenery import Scenery

pytestmark = pytest.mark.django_db(transaction=True)


class LivePage(ApplicationCommunicator):  # type: ignore[misc]
    """The browser's end of the socket. (The one in `channels.testing` would need daphne.)"""

    def __init__(self, scenery: Scenery, user: User | AnonymousUser) -> None:
        scope = {"type": "websocket", "path": f"/live/deployments/{scenery.deployment.pk}/", "user": user}
        super().__init__(URLRouter(websocket_urlpatterns), scope)

    async def connect(self) -> None:
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(timeout=5))["type"] == "websocket.accept"

    async def hear(self) -> str:
        return str((await self.receive_output(timeout=5))["text"])

    async def hang_up(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


@database_sync_to_async
def fall_ill(scenery: Scenery) -> None:
    replica = scenery.replica
    replica.refresh_from_db()
    reason = "GET / answered 503"
    replica.move_to(
        ReplicaState.UNHEALTHY, actor=Actor.queen("test"), reason=reason, deadline_at=replica.deadline_at
    )
    announce(scenery.deployment.pk)


async def test_it_sends_the_parts_that_changed(scenery: Scenery, owner: User) -> None:
    socket = LivePage(scenery, owner)
    await socket.connect()
    first = await socket.hear()
    assert 'id="live-title"' in first
    assert "GET / answered 503" not in first

    await fall_ill(scenery)

    html = await socket.hear()
    assert "GET / answered 503" in html
    assert f'id="live-{scenery.service.pk.hex}"' in html
    await socket.hang_up()


async def test_it_tells_a_burst_once(scenery: Scenery, owner: User) -> None:
    socket = LivePage(scenery, owner)
    await socket.connect()
    await socket.hear()
    for _ in range(20):
        await database_sync_to_async(announce)(scenery.deployment.pk)

    await socket.hear()
    # One more may be on its way for what was announced while the first was rendered.
    updates = 0
    while not await socket.receive_nothing(timeout=0.6):
        await socket.hear()
        updates += 1
    assert updates <= 1
    await socket.hang_up()


@pytest.mark.parametrize("who", ["stranger", "nobody"])
async def test_it_does_not_exist_for_others(scenery: Scenery, stranger: User, who: str) -> None:
    socket = LivePage(scenery, stranger if who == "stranger" else AnonymousUser())
    await socket.connect()
    closing = await socket.receive_output(timeout=5)
    assert (closing["type"], closing["code"]) == ("websocket.close", NOT_FOUND)
    await socket.hang_up()


async def test_it_ends_when_the_reader_leaves_the_team(scenery: Scenery, owner: User) -> None:
    socket = LivePage(scenery, owner)
    await socket.connect()
    await socket.hear()
    await database_sync_to_async(Member.objects.filter(user=owner).delete)()

    await database_sync_to_async(announce)(scenery.deployment.pk)

    assert (await socket.receive_output(timeout=5))["code"] == NOT_FOUND
    await socket.hang_up()
