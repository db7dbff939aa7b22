"""Who speaks: API tokens sent as `Authorization: Bearer hive_…` (RFC 6750)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.teams.models import ApiToken, User

LAST_USED_EVERY = timedelta(minutes=1)
"""A busy script would otherwise cost one UPDATE of the same row per request."""


class TokenAuthentication(BaseAuthentication):
    """Sets `request.user` to the token's user, and `request.auth` to the token, which narrows the reach."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        token = ApiToken.find(text.strip())
        if token is None:
            raise AuthenticationFailed("no such token: make one in the portal, or run `hive login`")
        if refusal := _refusal(token, now=now):
            raise AuthenticationFailed(refusal)
        _note_use(token, now=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Golem Hive"'


def _refusal(token: ApiToken, *, now: datetime) -> str | None:
    if reason := token.refusal(now=now):
        return reason
    if not token.team.members.filter(user=token.user_id).exists():
        return f"its user is no longer a member of {token.team}"
    return None


def _note_use(token: ApiToken, *, now: datetime) -> None:
    """Conditional, so that of many requests at once one writes."""
    if token.last_used_at is not None and token.last_used_at > now - LAST_USED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


class TokenScheme(OpenApiAuthenticationExtension):
    """How the schema describes it."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token of one team: `hive_…`"}
