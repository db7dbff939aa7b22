"""Joining the Hive: a one-time token makes a key known; from then on the key alone opens the door."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agent.protocol import NodeInfo
from apps.nodes.models import Enrolment, Node, NodeState
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import digest_of

AUTO = Actor.queen("enrolment")
"""Approves what enrols where the operator wants no look at each: HIVE_APPROVE_NODES."""


class EnrolmentRefused(Exception):
    """The token opens nothing; the text says why and what to do."""


class UnknownNode(Exception):
    """Nobody with this key has enrolled here."""


class NodeBanned(Exception):
    """An operator shut this node out; the text says why."""


def node_for(*, node_id: str, info: NodeInfo) -> Node:
    """The node with this key, with what it says of itself brought up to date.

    Raises UnknownNode, NodeBanned.
    """
    node = Node.objects.filter(pk=node_id).first()
    if node is None:
        raise UnknownNode("this key is not enrolled here: join with an enrolment token from the portal")
    if node.state == NodeState.BANNED:
        raise NodeBanned(f"this node is banned: {node.reason}. Ask the operator of the Hive")
    Node.objects.filter(pk=node_id).update(**_described(info))
    node.refresh_from_db()
    return node


def is_described(node: Node, info: NodeInfo) -> bool:
    """Whether what it says of itself is what we know."""
    return all(getattr(node, name) == value for name, value in _described(info).items())


@transaction.atomic
def enrol(*, token: str, node_id: str, info: NodeInfo) -> Node:
    """Make the key known, once per token. Raises EnrolmentRefused."""
    # The lock makes a second use of the same token wait here, and then find it used.
    enrolment = Enrolment.objects.select_for_update().filter(digest=digest_of(token)).first()
    if enrolment is None:
        raise EnrolmentRefused("this enrolment token is not known here: ask the portal for a new one")
    if enrolment.used_at is not None:
        raise EnrolmentRefused("this enrolment token was used already: ask the portal for a new one")
    if enrolment.expires_at <= timezone.now():
        raise EnrolmentRefused(
            f"this enrolment token expired on {enrolment.expires_at:%Y-%m-%d %H:%M} UTC: ask for a new one"
        )
    return _admit(enrolment, node_id=node_id, info=info)


def _admit(enrolment: Enrolment, *, node_id: str, info: NodeInfo) -> Node:
    node = Node.objects.create(id=node_id, owner_id=enrolment.owner_id, **_described(info))
    actor = Actor.user(enrolment.owner)
    AuditLine.write(node, before="", after=node.state, actor=actor, reason=f"enrolled with {enrolment.hint}…")
    enrolment.used_at, enrolment.node = timezone.now(), node
    enrolment.save(update_fields=["used_at", "node"])
    if enrolment.approves:
        node.approve(actor=actor)
    elif settings.HIVE_APPROVE_NODES == "auto":
        node.approve(actor=AUTO)
    return node


def _region(info: NodeInfo) -> str:
    """As the owner declares it; what is no word is none."""
    declared = info.properties.get("hive.region", "")
    return declared[:40] if isinstance(declared, str) else ""


def _described(info: NodeInfo) -> dict[str, Any]:
    return {
        "name": info.name[:80],
        "agent_version": info.agent_version[:40],
        "runtimes": info.runtimes,
        "properties": info.properties,
        "region": _region(info),
        "ssh_host_key": info.ssh_host_key,
    }
