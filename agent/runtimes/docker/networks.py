"""A network of its own for each container: none sees another one, nor what listens on the host's loopback.

A bridge with one container on it. The engine lets nothing pass between its bridges, whatever team is on them
(chain DOCKER-ISOLATION). Making one takes 70 ms, a quarter of a start, so one is kept ready while the agent
is there, and that of a container which is gone serves the next.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

from docker.types import IPAMConfig, IPAMPool

from agent.runtimes.base import RuntimeFault
from agent.runtimes.docker.container import NODE
from agent.runtimes.docker.engine import Absent, Engine

log = logging.getLogger("hive.agent")

RANGE = ipaddress.IPv4Network("198.18.0.0/15")
"""Kept for measuring networks (RFC 2544), so nobody's LAN. The engine's own choice ends after 31."""
_PREFIX = 29
_KEPT_READY, _KEPT_AT_MOST = 1, 4
_TRIES = 5
_LEAVING_S = 5.0


class Networks:
    def __init__(self, engine: Engine, node_id: str) -> None:
        self._engine, self._node_id = engine, node_id
        self._spare: list[str] = []
        self._keeping: asyncio.Task[None] | None = None
        self._taken, self._settled = asyncio.Event(), asyncio.Event()

    async def take(self) -> str:
        """Name of a network that nobody is on."""
        name = self._spare.pop() if self._spare else await self._make()
        self._settled.clear()
        self._taken.set()
        return name

    async def give_back(self, name: str) -> None:
        """Its container is gone. A network of the engine's own, or of somebody else, is left alone."""
        if not name.startswith(_NAME) or name in self._spare:
            return
        if self._keeping and len(self._spare) < _KEPT_AT_MOST:
            self._spare.append(name)
        else:
            await self._remove(name)

    async def adopt(self, used: Collection[str]) -> None:
        """Find those that an earlier agent made; from then on one is kept ready."""
        if self._keeping:
            await self.settle()
        found = [each["Name"] for each in await self._of_this_node()]
        free = [name for name in found if name not in used]
        self._spare = free[:_KEPT_AT_MOST]
        for name in free[_KEPT_AT_MOST:]:
            await self._remove(name)
        self._keeping = self._keeping or asyncio.create_task(self._keep())

    async def settle(self) -> None:
        """Until what is kept ready is there, or could not be made."""
        await self._settled.wait()

    async def _keep(self) -> None:
        """Lives as long as the agent; when it is cancelled, what was only kept ready goes too."""
        try:
            while True:
                if len(self._spare) < _KEPT_READY:
                    await self._fill()
                self._settled.set()
                await self._taken.wait()
                self._taken.clear()
        finally:
            with suppress(RuntimeFault, TimeoutError):
                async with asyncio.timeout(_LEAVING_S):
                    while self._spare:
                        await self._remove(self._spare.pop())

    async def _fill(self) -> None:
        try:
            name = await self._make()
            self._spare.append(name)
        except RuntimeFault as fault:
            log.warning("no network could be made ready: %s", fault)

    async def _make(self) -> str:
        """Another program may take the same addresses at the same moment; then others are tried."""
        for left in reversed(range(_TRIES)):
            name = f"{_NAME}{uuid.uuid4().hex[:8]}"
            try:
                await self._create(name, next_subnet(await self._occupied()))
                return name
            except RuntimeFault:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _create(self, name: str, subnet: IPv4Network) -> None:
        await self._engine.ask(
            self._engine.api.create_network,
            name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
            options={"com.docker.network.bridge.name": name},
            labels={NODE: self._node_id},
        )

    async def _occupied(self) -> list[IPv4Network]:
        networks = await self._engine.ask(self._engine.api.networks)
        configs = [config for each in networks for config in each["IPAM"]["Config"] or []]
        subnets = [config["Subnet"] for config in configs if ":" not in config.get("Subnet", ":")]
        return [*map(IPv4Network, subnets), *routes(Path("/proc/net/route").read_text())]

    async def _of_this_node(self) -> list[dict[str, str]]:
        asked = self._engine.api.networks
        return list(await self._engine.ask(asked, filters={"label": f"{NODE}={self._node_id}"}))

    async def _remove(self, name: str) -> None:
        with suppress(Absent):
            await self._engine.ask(self._engine.api.remove_network, name)


_NAME = "hive-"
"""With eight more characters the name of the bridge, too: an interface's has at most 15."""


def next_subnet(taken: Iterable[IPv4Network], start: int | None = None) -> IPv4Network:
    """One of `RANGE` that overlaps nothing, looked for from the `start`th on: anywhere unless it is said.

    Raises:
        RuntimeFault: there is none.
    """
    in_the_way = [each for each in taken if each.overlaps(RANGE)]
    count = 1 << (_PREFIX - RANGE.prefixlen)
    start = random.randrange(count) if start is None else start
    for n in range(count):
        base = int(RANGE.network_address) + (start + n) % count * (1 << (32 - _PREFIX))
        subnet = IPv4Network((base, _PREFIX))
        if not any(subnet.overlaps(each) for each in in_the_way):
            return subnet
    raise RuntimeFault(f"every address of {RANGE} is taken on this machine")


def routes(table: str) -> list[IPv4Network]:
    """What this machine has ways to, from the text of /proc/net/route; its way to everywhere is left out."""
    rows = [line.split() for line in table.splitlines()[1:]]
    pairs = [(_address(row[1]), _address(row[7])) for row in rows if len(row) > 7]
    return [IPv4Network((address, str(mask))) for address, mask in pairs if int(mask)]


def _address(word: str) -> ipaddress.IPv4Address:
    """Eight hexadecimal digits in the machine's byte order; what Docker runs on is little-endian."""
    return ipaddress.IPv4Address(bytes.fromhex(word)[::-1])
