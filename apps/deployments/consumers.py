"""The live deployment page: a socket that sends its changed parts as HTML; htmx puts each in its place."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.template.loader import render_to_string

from apps.deployments.live import group_of
from apps.deployments.models import Deployment
from apps.deployments.reading import NOT_FOUND, Reader
from apps.deployments.views import live_context
from apps.teams.reach import reachable_teams

PAUSE_S = 0.25
"""At most one update in this time: a burst of changes is told once, as it stands at its end."""


class DeploymentConsumer(AsyncWebsocketConsumer):
    """`live/deployments/<id>/`: one HTML message per change, nothing to the server."""

    async def connect(self) -> None:
        self.teller: asyncio.Task[None] | None = None
        self.changed_since = asyncio.Event()
        if not await self.reach():
            # Accepted first: a browser is told the code of an open socket only.
            await self.accept()
            await self.close(NOT_FOUND)
            return
        self.group = group_of(self.scope["url_route"]["kwargs"]["pk"])
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        # What changed between the page and this socket would otherwise be missed.
        self.changed_since.set()
        self.teller = asyncio.create_task(self.tell())

    async def disconnect(self, code: int) -> None:
        if self.teller is not None:
            self.teller.cancel()
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def changed(self, event: dict[str, Any]) -> None:
        """Somebody announced a change."""
        self.changed_since.set()

    async def tell(self) -> None:
        while True:
            await self.changed_since.wait()
            self.changed_since.clear()
            html = await self.render()
            if html is None:
                await self.close(NOT_FOUND)
                return
            await self.send(html)
            await asyncio.sleep(PAUSE_S)

    @database_sync_to_async
    def reach(self) -> bool:
        return self.find() is not None

    @database_sync_to_async
    def render(self) -> str | None:
        """None when the reader may no longer see it."""
        deployment = self.find()
        if deployment is None:
            return None
        return render_to_string("deployments/_live.html", live_context(deployment))

    def find(self) -> Deployment | None:
        reachable = Deployment.objects.filter(team__in=reachable_teams(Reader.of(self.scope)))
        return reachable.filter(pk=self.scope["url_route"]["kwargs"]["pk"]).first()
