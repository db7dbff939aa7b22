"""The content security policy of the portal's own pages: nothing inline, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "; ".join(
    [
        "default-src 'self'",
        # xterm.js makes style sheets as it goes; styles can't run anything.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
ELSEWHERE = ("/admin/", "/api/")
"""The admin's Alpine and the API's pages evaluate expressions, which this policy forbids."""


class ContentSecurityPolicy:
    """Middleware: the policy on every page but those."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path.startswith(ELSEWHERE):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
