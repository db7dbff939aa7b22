"""What every template may use."""

from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, str]:
    return {"edge_url": settings.HIVE_EDGE_URL, "portal_url": settings.HIVE_PORTAL_URL}
