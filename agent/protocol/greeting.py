"""Who is there: the Queen challenges, the Bee proves its key, the Queen lets it in or says why not."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from agent.protocol.base import Message, Millis, Part

PROTOCOL = 1


class Challenge(Message):
    """Queen: the first frame of a connection. The Bee signs `nonce` (32 bytes, hex) as EIP-712 `Login`."""

    nonce: str
    queen: str
    """Ethereum address whose signature the Bee will see on agreements."""
    chain_id: int
    protocol: int = PROTOCOL


class NodeInfo(Part):
    """What the Bee says of itself; `properties` are in Golem's names (`golem.inf.cpu.threads`, ...)."""

    name: str
    agent_version: str
    runtimes: list[str]
    ssh_host_key: str
    """OpenSSH public key line of the Bee's console server; the Queen pins it."""
    properties: dict[str, Any] = {}


class Hello(Message):
    """Bee: the answer to the challenge. `enrolment_token` only until the first `Welcome`."""

    node_id: str
    signature: str
    info: NodeInfo
    enrolment_token: str | None = None
    protocol: int = PROTOCOL


class Welcome(Message):
    """Queen: the key is proved and the node known; nothing runs until the node is approved."""

    approved: bool
    heartbeat_s: float
    metering_interval_s: float
    now_ms: Millis = 0
    """The Queen's clock, by which usage and agreements are dated: a Bee whose own is wrong keeps to it."""


class RefusalCode(StrEnum):
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_NODE = "unknown_node"
    BAD_TOKEN = "bad_token"
    BANNED = "banned"
    REPLACED = "replaced"
    PROTOCOL = "protocol"


class Refused(Message):
    """Queen: why the link ends. A `final` refusal is not retried: the owner must act first."""

    code: RefusalCode
    reason: str
    final: bool
