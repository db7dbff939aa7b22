"""What pages keep to themselves: nothing inline, nothing from elsewhere; no secret when they fail."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.debug import SafeExceptionReporterFilter

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


class KeepSecrets(SafeExceptionReporterFilter):
    """What a page of errors, or a mail of one, does not show.

    Addresses of other programs may hold their passwords. Variables that hold a key are marked in the code
    (`sensitive_variables`) and stay hidden while debugging too.
    """

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|MAIL_HOST_USER", flags=re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True
