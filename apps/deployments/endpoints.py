"""Which endpoints a Bee may name: those at its own address, and those the operator has allowed it.

The edge shows an endpoint to the world. A Bee that could name any would put the Queen's database, a cloud's
metadata service or a neighbour's machine on the internet. See docs/decisions/0020-endpoints-of-bees.md.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}


def parse_endpoint(text: str) -> tuple[str, int] | None:
    """ "10.0.0.7:31000" -> ("10.0.0.7", 31000); None for what Envoy can't be told, such as a host name."""
    host, _, port = text.rpartition(":")
    address = address_of(host.strip("[]"))
    if address is None or not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        return None
    return str(address), int(port)


def address_of(text: str | None) -> Address | None:
    """An IP address, an IPv4 one also if written in IPv6 (`::ffff:10.0.0.7`); None for anything else."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or (None if address.scope_id else address)
    return address


def fault_of(endpoint: str, *, node_id: str, peer: str | None) -> str:
    """Why this endpoint is not routed, and what to do about it; empty when it is fine.

    `peer` is the IP address from which the Bee's link comes, None when it is not known.
    """
    parsed = parse_endpoint(endpoint)
    if parsed is None:
        return f'its endpoint "{endpoint[:80]}" is not <IP address>:<port>: set `advertise` in its bee.toml'
    address = ipaddress.ip_address(parsed[0])
    if not (_is_its_own(address, address_of(peer)) or _is_allowed(address, _networks_of(node_id))):
        return _foreign(endpoint, address, peer)
    if parsed[1] in queens_ports() and (address.is_loopback or _is_here(address)):
        return f"its endpoint {endpoint} is a port of the Queen's own: the bee must not publish it"
    return ""


def queens_ports() -> set[int]:
    """Ports of what the Queen stands on, as far as they are known to her settings."""
    addresses = ("HIVE_PORTAL_URL", "HIVE_EDGE_URL", "HIVE_EDGE_ADMIN", "HIVE_RPC_URL", "REDIS_URL")
    urls = [urlsplit(url) for name in addresses for url in getattr(settings, name).split(",")]
    ports = {url.port or DEFAULT_PORTS.get(url.scheme, 0) for url in urls if url.hostname}
    return ports | {int(connection.settings_dict["PORT"] or 5432)}


def _is_its_own(address: Address, peer: Address | None) -> bool:
    """Behind a proxy that does not tell who called, every link seems to come from this machine."""
    return address == peer and (not address.is_loopback or _hive_is_local())


def _hive_is_local() -> bool:
    host = urlsplit(settings.HIVE_PORTAL_URL).hostname or ""
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _networks_of(node_id: str) -> list[Network]:
    return [network for whose, network in settings.HIVE_BEE_NETWORKS if whose in {"", node_id}]


def _is_allowed(address: Address, networks: Collection[Network]) -> bool:
    """A wide network says nothing of this machine's loopback, nor of link-local metadata services."""
    return any(
        address in network
        and network.is_loopback == address.is_loopback
        and network.is_link_local == address.is_link_local
        for network in networks
    )


def _is_here(address: Address) -> bool:
    """Whether this machine has the address: only then can it be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _foreign(endpoint: str, address: Address, peer: str | None) -> str:
    calls = f"calls from {peer}" if peer else "calls from an unknown address"
    own = f'set advertise = "{peer}" in its bee.toml, or ' if peer else ""
    return (
        f"its endpoint {endpoint} is not routed, because the bee {calls}: "
        f"{own}have the operator add {address} to HIVE_BEE_NETWORKS"
    )
