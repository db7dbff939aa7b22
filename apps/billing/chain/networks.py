"""The chains that GLM lives on: one table, from which the settings take what nobody says otherwise. All pure.

Source of the addresses: yagna's erc20 driver. Ethereum finalises within two epochs, 64 blocks, three when
validators are late; Polygon's deepest reorganisation so far had 157 blocks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("networks.json")
DEVELOPMENT = "development"
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A chain as far as GLM is concerned. Addresses are lower case, "" where there is none."""

    name: str
    chain_id: int
    token: str
    multi_transfer: str
    confirmations: int
    finality: int
    coin: str
    """What gas is paid in."""
    rpc_url: str
    is_worth_money: bool


@cache
def networks() -> dict[str, Network]:
    """By name."""
    told: dict[str, dict[str, Any]] = json.loads(_TABLE.read_text())["networks"]
    return {name: _network(name, fields) for name, fields in told.items()}


def network_of(chain_id: int) -> Network | None:
    return next((each for each in networks().values() if each.chain_id == chain_id), None)


def _network(name: str, fields: dict[str, Any]) -> Network:
    addresses = {key: fields[key].lower() for key in ("token", "multi_transfer")}
    return Network(name=name, **{**fields, **addresses})


# -- what contradicts itself ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """What an installation says of its chain; empty addresses turn off what needs them."""

    network: str
    chain_id: int
    token: str
    multi_transfer: str
    confirmations: int
    finality: int
    start_block: int
    rpc_urls: tuple[str, ...]
    quorum: int
    """How many of the nodes have to agree; 0: more than half."""


def contradictions(said: ChainSettings) -> list[str]:
    """What can't be meant, one sentence each with its remedy; empty when nothing contradicts itself."""
    return [*_of_network(said), *_of_addresses(said), *_of_depths(said), *_of_nodes(said)]


def doubts(said: ChainSettings) -> list[str]:
    """What may be meant, and should be meant knowingly."""
    network, found = networks()[said.network], []
    if network.token and said.token and said.token != network.token:
        found.append(f"HIVE_GLM_TOKEN is {said.token}: GLM on {network.name} is {network.token}")
    if network.is_worth_money and said.finality < network.finality:
        found.append(
            f"HIVE_FINALITY={said.finality}: on {network.name} reorganisations were deeper; "
            f"the table has {network.finality}"
        )
    if network.token and said.token and not said.start_block:
        found.append(
            "HIVE_CHAIN_START_BLOCK is not set: the whole chain will be read; name the block before which "
            "the treasury had never been used"
        )
    if said.token and len(said.rpc_urls) == 2 and said.quorum != 1:
        found.append(
            "HIVE_RPC_URL names two nodes: money waits whenever one of them does; name a third, "
            "or set HIVE_RPC_QUORUM=1 to believe either"
        )
    return found


def _of_network(said: ChainSettings) -> list[str]:
    named, spoken = networks()[said.network], network_of(said.chain_id)
    if said.chain_id == named.chain_id or (named.name == DEVELOPMENT and spoken is None):
        return []
    other = f"HIVE_NETWORK={spoken.name}" if spoken else f"HIVE_NETWORK={DEVELOPMENT}"
    return [
        f"HIVE_CHAIN_ID={said.chain_id} contradicts HIVE_NETWORK={named.name}, which is chain "
        f"{named.chain_id}: leave HIVE_CHAIN_ID out, or set {other}"
    ]


def _of_addresses(said: ChainSettings) -> list[str]:
    found = []
    for name, address in (("HIVE_GLM_TOKEN", said.token), ("HIVE_MULTI_TRANSFER", said.multi_transfer)):
        if address and not ADDRESS.fullmatch(address):
            found.append(f'{name}: expected an address, 0x and 40 hexadecimal digits, got "{address}"')
        else:
            found += _foreign(said, name, address)
    return found


def _foreign(said: ChainSettings, name: str, address: str) -> list[str]:
    owners = [
        each for each in networks().values() if address and address in (each.token, each.multi_transfer)
    ]
    return [
        f"{name} is a contract on {owner.name} (chain {owner.chain_id}), HIVE_CHAIN_ID is {said.chain_id}: "
        f"set HIVE_NETWORK={owner.name}, or the contract of this chain"
        for owner in owners
        if owner.chain_id != said.chain_id
    ]


def _of_depths(said: ChainSettings) -> list[str]:
    found = []
    if said.confirmations < 1:
        found.append(f"HIVE_CONFIRMATIONS={said.confirmations}: expected 1, the block itself, or more")
    if said.finality < said.confirmations:
        found.append(
            f"HIVE_FINALITY={said.finality} is less than HIVE_CONFIRMATIONS={said.confirmations}: "
            "what is final is confirmed before"
        )
    if said.start_block < 0:
        found.append(f"HIVE_CHAIN_START_BLOCK={said.start_block}: expected a block's number, 0 or more")
    return found


def _of_nodes(said: ChainSettings) -> list[str]:
    found, urls = [], said.rpc_urls
    if said.token and not urls:
        found.append("HIVE_RPC_URL is not set: name the JSON-RPC nodes to read the chain from, with commas")
    if any(not url.startswith(("http://", "https://")) for url in urls):
        found.append("HIVE_RPC_URL: expected http:// or https:// addresses, with commas between them")
    if len(set(urls)) < len(urls):
        found.append("HIVE_RPC_URL names a node twice: it would agree with itself")
    if not 0 <= said.quorum <= max(len(urls), 1):
        found.append(
            f"HIVE_RPC_QUORUM={said.quorum}: expected 1 to {len(urls)}, the nodes of HIVE_RPC_URL, "
            "or 0 for more than half of them"
        )
    return found
