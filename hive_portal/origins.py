"""Which pages may open a browser's socket: the portal's own, told by scheme, host and port."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator
from django.conf import settings

logger = logging.getLogger("hive.portal")

LOOPBACK = ("localhost", "127.0.0.1")


def own_origins() -> list[str]:
    """Of HIVE_PORTAL_URL, by each of this machine's names if it is one, and those of HIVE_ORIGINS."""
    portal = urlsplit(settings.HIVE_PORTAL_URL)
    hosts = LOOPBACK if portal.hostname in LOOPBACK else (portal.hostname,)
    port = f":{portal.port}" if portal.port else ""
    # Django writes a wildcard as https://*.hive.example, Channels as https://.hive.example.
    trusted = [origin.replace("://*.", "://.") for origin in settings.CSRF_TRUSTED_ORIGINS]
    return [f"{portal.scheme}://{host}{port}" for host in hosts] + trusted


class OwnOrigins(OriginValidator):
    """A port is another origin: the edge serves whatever its tenants run, and often on this very host."""

    def __init__(self, application: Any) -> None:
        super().__init__(application, [])

    def validate_origin(self, parsed_origin: Any) -> bool:
        try:
            if any(self.match_allowed_origin(parsed_origin, origin) for origin in own_origins()):
                return True
        except ValueError:  # a port that is none
            pass
        logger.warning(
            "WebSocket refused: its page is of %s, expected %s; set HIVE_PORTAL_URL or HIVE_ORIGINS",
            parsed_origin.geturl()[:200],
            " or ".join(own_origins()),
        )
        return False
