"""The Queen's ASGI application: pages and API, the Bees' links and streams, the browsers' sockets."""

from __future__ import annotations

import os
from typing import Any, cast

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hive_portal.settings")
# Before the rest is imported: it makes Django ready.
http = get_asgi_application()

from apps.deployments.routing import websocket_urlpatterns  # noqa: E402
from hive_portal.lifespan import lifespan  # noqa: E402
from hive_portal.origins import OwnOrigins  # noqa: E402
from hive_portal.streams import StreamConsumer  # noqa: E402
from hive_portal.switchboard import bee_link  # noqa: E402


async def no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Closed before it was accepted, a WebSocket is answered 403; uvicorn knows no better code."""
    await receive()
    await send({"type": "websocket.close"})


browsers = OwnOrigins(
    AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, re_path("", cast(Any, no_such_socket))]))
)
application = ProtocolTypeRouter(
    {
        "http": http,
        "lifespan": lifespan,
        "websocket": URLRouter(
            [
                # Bees have keys, not sessions.
                path("bee/link/", cast(Any, bee_link)),
                path("bee/stream/<str:stream_id>/", StreamConsumer.as_asgi()),
                re_path("", browsers),
            ]
        ),
    }
)
