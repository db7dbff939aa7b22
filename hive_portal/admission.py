"""Who may hold a link: the Bee's answer to the challenge, checked. Synchronous; it uses the ORM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from agent import typed_data
from agent.protocol import PROTOCOL, Challenge, Hello, RefusalCode, Refused, Welcome
from apps.deployments.observing import nodes_changed
from apps.market.negotiating.negotiation import look_again
from apps.nodes import presence
from apps.nodes.enrolment import EnrolmentRefused, NodeBanned, UnknownNode, enrol, is_described, node_for
from apps.nodes.links import end_replaced
from apps.nodes.models import Node, NodeState
from apps.nodes.places import note_round_trips
from apps.nodes.presence import Closed, Opened
from apps.nodes.queen import queen_address
from hive_portal.timing import Timed
from hive_portal.wanted import interval_s, now_ms

ADDRESS = re.compile(r"0x[0-9a-f]{40}\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Knock:
    """A Bee's answer to the challenge `nonce`, on the link with this channel, from this IP address."""

    hello: Hello
    nonce: str
    channel: str
    peer: str | None = None
    round_trip_ms: float | None = None
    """Between the challenge and this answer."""


def admit(knocks: Sequence[Knock]) -> list[Welcome | Refused]:
    """Open these links, or say why not. Each refusal is final: without somebody acting it would be the same.

    Bees that are known cost a fixed number of statements together; one that enrols has its own.
    """
    answers: dict[str, Welcome | Refused] = {}
    known = Node.objects.in_bulk([one.hello.node_id for one in knocks])
    for round in _one_of_each_node(knocks):
        answers |= _let_in(round, known)
    return [answers[one.channel] for one in knocks]


def leave(closed: Sequence[Closed]) -> list[bool]:
    """These links are gone; what runs there is looked at, unless a newer link speaks for the node.

    Returns for each whether its node has no link now.
    """
    silent = set(presence.links_closed(closed))
    nodes_changed(silent)
    return [one.node_id in silent for one in closed]


def note_times(timed: Sequence[Timed]) -> list[None]:
    """These Bees answered quicker than they ever did on their links."""
    by_channel = {one.channel: (one.node_id, one.round_trip_ms) for one in timed}
    note_round_trips(by_channel)
    return [None] * len(timed)


def challenge(nonce: str) -> Challenge:
    return Challenge(nonce=nonce, queen=queen_address(), chain_id=settings.HIVE_CHAIN_ID)


def refused(code: RefusalCode, reason: str) -> Refused:
    return Refused(code=code, reason=reason, final=True)


def _one_of_each_node(knocks: Sequence[Knock]) -> list[list[Knock]]:
    """In rounds, for two agents with one key: the later one is the newer link."""
    rounds: list[dict[str, Knock]] = []
    for one in knocks:
        for round in rounds:
            if one.hello.node_id not in round:
                round[one.hello.node_id] = one
                break
        else:
            rounds.append({one.hello.node_id: one})
    return [list(round.values()) for round in rounds]


def _let_in(knocks: Sequence[Knock], known: Mapping[str, Node]) -> dict[str, Welcome | Refused]:
    """Of different nodes; the answers by channel."""
    answers: dict[str, Welcome | Refused] = {}
    nodes: dict[str, Node] = {}
    for one in knocks:
        admitted = _identified(one, known)
        if isinstance(admitted, Refused):
            answers[one.channel] = admitted
        else:
            nodes[one.channel] = admitted
    welcome = [one for one in knocks if one.channel in nodes]
    if welcome:
        _open_links(welcome)
    return answers | {channel: _welcome(node) for channel, node in nodes.items()}


def _open_links(knocks: Sequence[Knock]) -> None:
    opened = [
        Opened(node_id=one.hello.node_id, channel=one.channel, peer=one.peer, round_trip_ms=one.round_trip_ms)
        for one in knocks
    ]
    for older in presence.links_opened(opened).values():
        end_replaced(older)
    nodes_changed([one.hello.node_id for one in knocks])
    look_again()


def _identified(knock: Knock, known: Mapping[str, Node]) -> Node | Refused:
    if refusal := _refusal(knock.hello, nonce=knock.nonce):
        return refusal
    try:
        return _known_or_enrolled(knock.hello, known)
    except EnrolmentRefused as error:
        return refused(RefusalCode.BAD_TOKEN, str(error))
    except UnknownNode as error:
        return refused(RefusalCode.UNKNOWN_NODE, str(error))
    except NodeBanned as error:
        return refused(RefusalCode.BANNED, str(error))


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


def _known_or_enrolled(hello: Hello, known: Mapping[str, Node]) -> Node:
    """A node that is known needs no token: it sends it again when its first welcome was lost."""
    node = known.get(hello.node_id)
    if node is not None and node.state != NodeState.BANNED and is_described(node, hello.info):
        return node
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
