"""The ASGI lifespan of a web process: it listens from its start to its end, links or no links."""

from __future__ import annotations

from typing import Any

from hive_portal.exchange import exchange, stop_exchange


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()  # lifespan.startup
    exchange()
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown
    await stop_exchange()
    await send({"type": "lifespan.shutdown.complete"})
