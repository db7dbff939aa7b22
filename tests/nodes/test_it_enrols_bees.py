from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from agent.protocol import NodeInfo
from apps.nodes.enrolment import EnrolmentRefused, NodeBanned, UnknownNode, enrol, node_for
from apps.nodes.models import Enrolment, Node, NodeState
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import User
from tests.cast import id_of, key_of_bee

pytestmark = pytest.mark.django_db

INFO = NodeInfo(name="attic", agent_version="0.1.0", runtimes=["process"], ssh_host_key="ssh-ed25519 AAAA")
BEE = id_of(key_of_bee(7))


def test_it_makes_a_key_known_with_a_token_and_waits_for_approval(owner: User) -> None:
    enrolment, token = Enrolment.issue(owner=owner)

    node = enrol(token=token, node_id=BEE, info=INFO)

    enrolment.refresh_from_db()
    assert (node.state, node.is_approved, node.owner) == (NodeState.PENDING, False, owner)
    assert enrolment.node == node and enrolment.used_at is not None
    assert AuditLine.objects.filter(noun="node", noun_id=BEE, after=NodeState.PENDING).exists()


def test_it_approves_at_once_what_an_approving_token_brings(owner: User) -> None:
    _, token = Enrolment.issue(owner=owner, approves=True)

    assert enrol(token=token, node_id=BEE, info=INFO).is_approved


def test_it_refuses_a_token_nobody_issued(owner: User) -> None:
    with pytest.raises(EnrolmentRefused, match="not known here"):
        enrol(token="bee_made-up", node_id=BEE, info=INFO)
    assert not Node.objects.exists()


def test_it_refuses_a_token_that_another_bee_has_used(owner: User) -> None:
    _, token = Enrolment.issue(owner=owner)
    enrol(token=token, node_id=BEE, info=INFO)

    with pytest.raises(EnrolmentRefused, match="used already"):
        enrol(token=token, node_id=id_of(key_of_bee(8)), info=INFO)


def test_it_refuses_an_expired_token_and_says_when(owner: User) -> None:
    enrolment, token = Enrolment.issue(owner=owner, valid=timedelta(seconds=-1))

    with pytest.raises(EnrolmentRefused, match=f"expired on {timezone.now():%Y-%m-%d}"):
        enrol(token=token, node_id=BEE, info=INFO)
    enrolment.refresh_from_db()
    assert enrolment.used_at is None


def test_it_knows_an_enrolled_key_again_and_takes_its_news(node: Node) -> None:
    assert node_for(node_id=node.id, info=INFO).name == "attic"


def test_it_knows_no_other_key(node: Node) -> None:
    with pytest.raises(UnknownNode, match="join with an enrolment token"):
        node_for(node_id=BEE, info=INFO)


def test_it_turns_a_banned_key_away_with_the_reason(node: Node, owner: User) -> None:
    node.ban(actor=Actor.user(owner), reason="mines on the side")

    with pytest.raises(NodeBanned, match="mines on the side"):
        node_for(node_id=node.id, info=INFO)


def test_it_writes_down_who_approved_a_node_that_is_away(make_node: Callable[..., Node]) -> None:
    node = make_node(state=NodeState.OFFLINE, approved_at=None, deadline_at=None)
    late = Node.objects.get(pk=node.pk)
    node.approve(actor=Actor("user", "otto"))
    late.approve(actor=Actor("user", "anna"))

    line = AuditLine.objects.get(noun="node", noun_id=node.pk, after="approved")
    assert (line.before, line.actor) == ("offline", "user:otto")
    assert Node.objects.get(pk=node.pk).is_approved
