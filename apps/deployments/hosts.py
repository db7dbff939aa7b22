"""Host names at the edge: one for each service that has a port."""

from __future__ import annotations

from django.conf import settings

from apps.deployments.manifest import ServiceSpec
from apps.deployments.models import Service
from apps.teams.models import Team


def host_of(spec: ServiceSpec, *, service: str, deployment: str, team: Team) -> str | None:
    """`web.hello.demo.<edge domain>`, or the host that the file asks for; None without a port.

    Raises ValueError for a host that isn't this team's to take.
    """
    if spec.port is None:
        return None
    own = f"{team.slug}.{settings.HIVE_EDGE_DOMAIN}"
    if spec.host is None:
        return f"{service}.{deployment}.{own}"
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


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
