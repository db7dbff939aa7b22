"""A hive that comes back at once: links opened and closed in sets, with as many statements as for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from eth_account.signers.local import LocalAccount

from agent import typed_data
from agent.protocol import Hello, NodeInfo, Observed, RefusalCode, Refused, Stats, Welcome
from apps.nodes import presence, statistics
from apps.nodes.models import Node, NodeSession, NodeState
from apps.nodes.presence import Closed
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor, AuditLine
from hive_portal.admission import Knock, admit, leave
from tests.cast import id_of, key_of_bee

pytestmark = pytest.mark.django_db

INFO = NodeInfo(name="attic", agent_version="1", runtimes=["process"], ssh_host_key="")
NONCE = "0x" + "ab" * 32
KEYS = [key_of_bee(number) for number in range(40, 52)]

Hive = list[Node]


@pytest.fixture
def hive(make_node: Callable[..., Node]) -> Hive:
    """Known, and away since a restart of the Queen."""
    described = {"name": INFO.name, "agent_version": INFO.agent_version, "state": NodeState.UNKNOWN}
    return [make_node(key, **described) for key in KEYS]


def knock(key: LocalAccount, channel: str = "", **fields: object) -> Knock:
    login = typed_data.login(
        node=id_of(key), queen=queen_address(), nonce=NONCE, chain_id=settings.HIVE_CHAIN_ID
    )
    given = {"node_id": id_of(key), "signature": typed_data.sign(login, key), "info": INFO} | fields
    return Knock(hello=Hello(**given), nonce=NONCE, channel=channel or id_of(key))  # type: ignore[arg-type]


def test_links_open_together(hive: Hive) -> None:
    answers = admit([knock(key) for key in KEYS])

    assert all(isinstance(answer, Welcome) and answer.approved for answer in answers)
    assert NodeSession.objects.filter(closed_at=None).count() == len(KEYS)
    assert set(Node.objects.values_list("state", flat=True)) == {NodeState.ONLINE}
    lines = AuditLine.objects.filter(noun="node", before="unknown", after="online")
    assert set(lines.values_list("noun_id", flat=True)) == {node.id for node in hive}


def test_many_links_cost_as_many_statements_as_two(hive: Hive) -> None:
    presence.online_count()  # remembered for a moment
    with CaptureQueriesContext(connection) as two:
        admit([knock(key) for key in KEYS[:2]])
    with CaptureQueriesContext(connection) as many:
        admit([knock(key) for key in KEYS[2:]])
    assert len(many) == len(two)

    with CaptureQueriesContext(connection) as two:
        leave([_closed(key) for key in KEYS[:2]])
    with CaptureQueriesContext(connection) as many:
        leave([_closed(key) for key in KEYS[2:]])
    assert len(many) == len(two)


def test_many_heartbeats_cost_as_many_statements_as_one(hive: Hive) -> None:
    admit([knock(key) for key in KEYS])
    seen = {node.id: Observed(revision=1, at_ms=0, assignments=[], stats=Stats(running=1)) for node in hive}
    first = hive[0].id

    with CaptureQueriesContext(connection) as one:
        presence.heartbeats({first: seen[first]})
        statistics.record({first: seen[first]})
    with CaptureQueriesContext(connection) as many:
        presence.heartbeats(seen)
        statistics.record(seen)
    assert len(many) == len(one) <= 6


def test_each_gets_its_own_answer(hive: Hive) -> None:
    hive[1].ban(actor=Actor.queen("test"), reason="it lied")
    forged = knock(KEYS[2], signature=knock(KEYS[3]).hello.signature)
    stranger = knock(key_of_bee(99))

    answers = admit([knock(KEYS[0]), knock(KEYS[1]), forged, stranger, knock(KEYS[3])])

    assert [answer.code if isinstance(answer, Refused) else "welcome" for answer in answers] == [
        "welcome",
        RefusalCode.BANNED,
        RefusalCode.BAD_SIGNATURE,
        RefusalCode.UNKNOWN_NODE,
        "welcome",
    ]


def test_of_two_agents_with_one_key_the_later_one_speaks(hive: Hive) -> None:
    first, second = admit([knock(KEYS[0], "first"), knock(KEYS[0], "second")])

    assert isinstance(first, Welcome) and isinstance(second, Welcome)
    assert NodeSession.objects.get(node=hive[0], closed_at=None).channel == "second"
    assert NodeSession.objects.get(channel="first").close_reason == "replaced by a newer link"
    assert leave([_closed(KEYS[0], "first")]) == [False]
    assert _state(hive[0]) == NodeState.ONLINE


def test_a_bee_that_says_something_new_of_itself_is_described_anew(hive: Hive) -> None:
    news = NodeInfo(name="cellar", agent_version="2", runtimes=["docker"], ssh_host_key="")
    admit([knock(KEYS[0], info=news), knock(KEYS[1])])

    assert Node.objects.get(pk=hive[0].id).name == "cellar"
    assert Node.objects.get(pk=hive[1].id).name == "attic"


def test_links_close_together_each_with_its_reason(hive: Hive) -> None:
    admit([knock(key) for key in KEYS[:3]])

    closed = [_closed(KEYS[0]), _closed(KEYS[1]), _closed(KEYS[2], reason="the portal is restarting")]
    assert leave(closed) == [True, True, True]

    assert not NodeSession.objects.filter(closed_at=None).exists()
    assert [_state(node) for node in hive[:3]] == [NodeState.UNKNOWN] * 3
    assert {node.reason for node in hive[:3]} == {"gone", "the portal is restarting"}


def _closed(key: LocalAccount, channel: str = "", reason: str = "gone") -> Closed:
    return Closed(node_id=id_of(key), channel=channel or id_of(key), reason=reason)


def _state(node: Node) -> str:
    node.refresh_from_db()
    return node.state
