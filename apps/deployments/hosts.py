"""Host names at the edge: one for each service that has a port."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.http import is_same_domain

from apps.deployments.manifest import ServiceSpec
from apps.deployments.models import Service
from apps.teams.models import Team

_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
"""A host name that ends in one is an IPv4 address to browsers. Source: https://url.spec.whatwg.org, 3.5"""


def host_of(spec: ServiceSpec, *, service: str, deployment: str, team: Team) -> str | None:
    """`web.hello.demo.<edge domain>`, or the host that the file asks for; None without a port.

    Raises ValueError for a host that isn't this team's to take.
    """
    if spec.port is None:
        return None
    own = f"{team.slug}.{settings.HIVE_EDGE_DOMAIN}"
    if spec.host is None:
        return f"{service}.{deployment}.{own}"
    _check_is_a_name(spec.host)
    _check_is_not_the_portal(spec.host, own=own)
    if _is_below(spec.host, settings.HIVE_EDGE_DOMAIN) and not _is_below(spec.host, own):
        raise ValueError(
            f'"{spec.host}" is not for this team: take a name below {own}, or a domain of your own'
        )
    taken = Service.objects.filter(host=spec.host).exclude(
        name=service, deployment__name=deployment, deployment__team=team
    )
    if taken.exists():
        raise ValueError(f'"{spec.host}" is taken by another service')
    return spec.host


def _check_is_a_name(host: str) -> None:
    last = host.rpartition(".")[2]
    if last == host or _NUMBER.fullmatch(last):
        raise ValueError(f'"{host}" is no full host name: expected one such as "www.example.org", no address')


def _check_is_not_the_portal(host: str, *, own: str) -> None:
    """Who answers at the portal's name gets its cookies, and below it may set some for it."""
    portal = urlsplit(settings.HIVE_PORTAL_URL).hostname or ""
    # "*" lets the portal answer to any name and is nobody's.
    is_its_own = any(is_same_domain(host, name.lower()) for name in settings.ALLOWED_HOSTS if name != "*")
    is_around = _is_below(host, portal) and not _is_below(host, own)
    if host == portal or is_its_own or is_around:
        raise ValueError(
            f'"{host}" is a name of the portal itself: take a name below {own}, or a domain of your own'
        )


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
