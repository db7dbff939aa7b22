"""Which addresses a webhook may have, so that nobody has the Hive ask its own network in their name.

What a name resolves to is judged, and the connection is made to just that address: a name that means another
machine a moment later changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection

import httpx

from apps.teams.notices.threads import in_thread

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given to anybody on the public internet (RFC 4291, section 2.4)."""
SPECIAL = (ipaddress.IPv4Network("192.88.99.0/24"), ipaddress.IPv6Network("3fff::/20"))
"""What Python takes for public: anycast of 6to4 (RFC 7526), documentation (RFC 9637)."""
TLS_PORT, FIRST_FREE_PORT = 443, 1024
"""Below it other protocols have their ports, and nobody has the Hive knock there in their name."""
MOST_LETTERS = 500
RESOLVED_WITHIN_S = 3.0
"""Somebody waits for the page."""


class Unreachable(Exception):
    """Nothing is sent there; its text is for the team."""


class Unresolved(Unreachable):
    """As far as anybody knows now: its name may mean something later."""


def checked_url(url: str, *, networks: Collection[Network]) -> httpx.URL:
    """Raises ValueError for what is no address of a webhook, as far as can be seen without resolving it."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise ValueError(f'"{url[:80]}" is no address: expected https://host/path') from None
    if parsed.scheme not in {"https", "http"} or not parsed.host:
        raise ValueError(f'"{url[:80]}" is no address of a webhook: expected https://host/path')
    if len(url) > MOST_LETTERS:
        raise ValueError(f"the address has {len(url)} letters: expected at most {MOST_LETTERS}")
    if parsed.userinfo or parsed.fragment:
        raise ValueError("leave out name and password before the host, and what follows a #")
    if (address := _literal(parsed.host)) is not None:
        must_be_reachable(parsed, address, networks=networks)
    elif not networks:
        _must_be_for_webhooks(parsed)
    return parsed


def must_be_reachable(url: httpx.URL, address: Ip, *, networks: Collection[Network]) -> None:
    """Raises ValueError unless it is an address of the public internet over TLS, or of an allowed network."""
    inner = embedded(address)
    if any(inner in network for network in networks if network.version == inner.version):
        return
    if not is_public(inner):
        where = f"{url.host} leads to {address}, which" if url.host != str(address) else str(address)
        raise ValueError(f"{where} is not an address of the public internet")
    _must_be_for_webhooks(url)


def is_public(address: Ip) -> bool:
    """By IANA's registries of special addresses."""
    if any(address in network for network in SPECIAL if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def embedded(address: Ip) -> Ip:
    """The IPv4 address that an IPv6 one leads to, by mapping, 6to4, Teredo or NAT64; else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address


def must_not_lead_inside(url: httpx.URL, *, networks: Collection[Network]) -> None:
    """Raises ValueError where its name leads only to what is refused; what it can't tell in time passes.

    For whoever adds a webhook: each request is judged again when it is sent.
    """
    try:
        asyncio.run(asyncio.wait_for(reachable_addresses(url, networks=networks), RESOLVED_WITHIN_S))
    except (Unresolved, TimeoutError):
        return
    except Unreachable as error:
        raise ValueError(str(error)) from None


async def reachable_addresses(url: httpx.URL, *, networks: Collection[Network]) -> list[str]:
    """What the host resolves to now, as far as it may be reached. Raises Unreachable when that is nothing."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await in_thread(socket.getaddrinfo, url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"{url.host} can't be resolved: {error}") from None
    addresses, refusals = [], []
    for *_, (host, *_) in found:
        try:
            must_be_reachable(url, ipaddress.ip_address(str(host).partition("%")[0]), networks=networks)
            addresses.append(str(host))
        except ValueError as error:
            refusals.append(str(error))
    if not addresses:
        raise Unreachable(next(iter(refusals), f"{url.host} has no address"))
    return list(dict.fromkeys(addresses))


def _must_be_for_webhooks(url: httpx.URL) -> None:
    """On the public internet, that is."""
    if url.scheme != "https":
        raise ValueError("expected https://: what is sent tells of your money")
    port = TLS_PORT if url.port is None else url.port
    if port != TLS_PORT and port < FIRST_FREE_PORT:
        raise ValueError(f"port {port} is no webhook's: expected {TLS_PORT}, or {FIRST_FREE_PORT} and above")


def _literal(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
