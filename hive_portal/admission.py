"""Who may hold a link: the Bee's answer to the challenge, checked. Synchronous; it uses the ORM."""

from __future__ import annotations

import re

from django.conf import settings

from agent import typed_data
from agent.protocol import PROTOCOL, Challenge, Hello, RefusalCode, Refused, Welcome
from apps.deployments.observing import nodes_changed
from apps.market.negotiation import look_again
from apps.nodes import presence
from apps.nodes.enrolment import EnrolmentRefused, NodeBanned, UnknownNode, enrol, node_for
from apps.nodes.links import end_replaced
from apps.nodes.models import Node
from apps.nodes.queen import queen_address
from apps.nodes.silence import REATTACH_S
from hive_portal.wanted import interval_s, now_ms

ADDRESS = re.compile(r"0x[0-9a-f]{40}\Z")


def admit(hello: Hello, *, nonce: str, channel: str, peer: str | None = None) -> Welcome | Refused:
    """Open the link, or say why not. Each refusal is final: without somebody acting it would be the same."""
    refusal = _refusal(hello, nonce=nonce)
    if refusal:
        return refusal
    try:
        node = _known_or_enrolled(hello)
    except EnrolmentRefused as error:
        return refused(RefusalCode.BAD_TOKEN, str(error))
    except UnknownNode as error:
        return refused(RefusalCode.UNKNOWN_NODE, str(error))
    except NodeBanned as error:
        return refused(RefusalCode.BANNED, str(error))
    if older := presence.link_opened(node_id=node.id, channel=channel, peer=peer):
        end_replaced(older)
    nodes_changed([node.id])
    look_again()
    return _welcome(node)


def leave(*, node_id: str, channel: str, reason: str, ours: bool) -> None:
    """The link is gone; what runs there is looked at, unless a newer link speaks for the node.

    `ours`: the portal itself is ending, and the Bee has time to call again.
    """
    grace_s = REATTACH_S if ours else None
    if presence.link_closed(node_id=node_id, channel=channel, reason=reason, grace_s=grace_s):
        nodes_changed([node_id])


def challenge(nonce: str) -> Challenge:
    return Challenge(nonce=nonce, queen=queen_address(), chain_id=settings.HIVE_CHAIN_ID)


def refused(code: RefusalCode, reason: str) -> Refused:
    return Refused(code=code, reason=reason, final=True)


def _refusal(hello: Hello, *, nonce: str) -> Refused | None:
    if hello.protocol != PROTOCOL:
        older = "agent" if hello.protocol < PROTOCOL else "portal"
        reason = f"the portal speaks protocol {PROTOCOL}, the agent {hello.protocol}: update the {older}"
        return refused(RefusalCode.PROTOCOL, reason)
    if not ADDRESS.match(hello.node_id):
        return refused(RefusalCode.PROTOCOL, "node_id: expected an Ethereum address in lower case")
    message = typed_data.login(
        node=hello.node_id, queen=queen_address(), nonce=nonce, chain_id=settings.HIVE_CHAIN_ID
    )
    if not typed_data.is_signed_by(message, hello.signature, hello.node_id):
        reason = f"the signature is not that of {hello.node_id} over this challenge: check the agent's key"
        return refused(RefusalCode.BAD_SIGNATURE, reason)
    return None


def _known_or_enrolled(hello: Hello) -> Node:
    """A node that is known needs no token: it sends it again when its first welcome was lost."""
    try:
        return node_for(node_id=hello.node_id, info=hello.info)
    except UnknownNode:
        if hello.enrolment_token is None:
            raise
    return enrol(token=hello.enrolment_token, node_id=hello.node_id, info=hello.info)


def _welcome(node: Node) -> Welcome:
    return Welcome(
        approved=node.is_approved,
        heartbeat_s=interval_s(),
        metering_interval_s=settings.HIVE_METERING_INTERVAL_S,
        now_ms=now_ms(),
    )
