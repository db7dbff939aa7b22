from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from eth_account.signers.local import LocalAccount

from agent.protocol import Challenge, Observed, RefusalCode, Refused, Welcome
from apps.nodes.models import Enrolment, Node, NodeSession, NodeState
from apps.teams.audit import Actor
from apps.teams.models import User
from hive_portal import switchboard
from tests.cast import id_of, key_of_bee
from tests.switchboard.portal import Bee, eventually

Dial = Callable[[LocalAccount], Bee]
KEY = key_of_bee(40)


def _refusal(bee: Bee) -> Refused:
    refused = bee.hear_a(Refused)
    assert refused.final
    assert bee.close_code() == switchboard.REFUSED
    return refused


def test_it_lets_a_bee_join_with_a_token_once_and_then_by_its_key_alone(dial: Dial, owner: User) -> None:
    _, token = Enrolment.issue(owner=owner, approves=True)
    first = dial(KEY)
    wanted = first.join(token=token)
    assert wanted.approved and wanted.assignments == []
    first.socket.close()

    dial(KEY).join()

    assert Node.objects.get(pk=id_of(KEY)).state == NodeState.ONLINE


def test_a_node_that_nobody_approved_is_welcome_and_gets_nothing_to_do(dial: Dial, owner: User) -> None:
    _, token = Enrolment.issue(owner=owner)
    bee = dial(KEY)

    assert not bee.join(token=token).approved
    node = Node.objects.get(pk=bee.id)
    assert node.state == NodeState.PENDING

    node.approve(actor=Actor.user(owner))
    while not bee.hear().approved:
        pass
    node.refresh_from_db()
    assert node.state == NodeState.ONLINE


def test_a_wrong_token_is_told_and_final(dial: Dial) -> None:
    bee = dial(KEY)
    bee.say(bee.hello(token="bee_wrong"))

    refused = _refusal(bee)
    assert refused.code == RefusalCode.BAD_TOKEN
    assert "ask the portal for a new one" in refused.reason


def test_an_expired_token_is_told_and_final(dial: Dial, owner: User) -> None:
    _, token = Enrolment.issue(owner=owner, valid=timedelta(seconds=-1))
    bee = dial(KEY)
    bee.say(bee.hello(token=token))

    assert "expired on" in _refusal(bee).reason


def test_a_key_nobody_enrolled_is_told_how_to_join(dial: Dial) -> None:
    bee = dial(KEY)
    bee.say(bee.hello())

    refused = _refusal(bee)
    assert (refused.code, "join with an enrolment token" in refused.reason) == (
        RefusalCode.UNKNOWN_NODE,
        True,
    )


def test_a_banned_node_is_refused_with_the_reason(
    dial: Dial, node: Node, bee_key: LocalAccount, owner: User
) -> None:
    node.ban(actor=Actor.user(owner), reason="mines on the side")
    bee = dial(bee_key)
    bee.say(bee.hello())

    refused = _refusal(bee)
    assert refused.code == RefusalCode.BANNED and "mines on the side" in refused.reason


def test_a_ban_ends_the_link_that_is_open(dial: Dial, node: Node, bee_key: LocalAccount, owner: User) -> None:
    bee = dial(bee_key)
    bee.join()

    node.refresh_from_db()
    node.ban(actor=Actor.user(owner), reason="mines on the side")

    assert _refusal(bee).code == RefusalCode.BANNED


def test_a_hello_that_was_recorded_elsewhere_opens_nothing(
    dial: Dial, node: Node, bee_key: LocalAccount
) -> None:
    recorded = dial(bee_key)
    hello = recorded.hello()
    recorded.say(hello)
    assert isinstance(recorded.hear(), Welcome)

    thief = dial(key_of_bee(66))
    thief.say(hello)

    assert _refusal(thief).code == RefusalCode.BAD_SIGNATURE


def test_each_challenge_is_new(dial: Dial) -> None:
    nonces = {dial(KEY).hear_a(Challenge).nonce for _ in range(3)}
    assert len(nonces) == 3 and all(len(bytes.fromhex(nonce[2:])) == 32 for nonce in nonces)


def test_an_agent_of_another_protocol_is_told_to_update(dial: Dial) -> None:
    bee = dial(KEY)
    bee.say(bee.hello(protocol=0))

    refused = _refusal(bee)
    assert refused.code == RefusalCode.PROTOCOL and refused.reason.endswith("update the agent")


def test_an_id_that_is_no_address_is_refused(dial: Dial) -> None:
    bee = dial(KEY)
    bee.say(bee.hello(node_id=id_of(KEY).upper()))

    assert _refusal(bee).code == RefusalCode.PROTOCOL


def test_who_says_nothing_is_hung_up_on(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "HELLO_WITHIN_S", 0.1)

    assert dial(KEY).close_code() == switchboard.NO_HELLO


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("hello?", "JSON is malformed"),
        ('{"type":"Observed"}', "missing required field"),
        ('{"type":"Sesame"}', "Invalid value 'Sesame'"),
        (b"\x00\x01", "expected a text frame"),
        ('{"type":"Offers","offers":[],"x":"\\u0000"}', "a NUL character"),
        ('{"type":"Offers","offers":[]}', "Offers: expected hello first"),
    ],
)
def test_what_is_no_message_ends_the_link_with_the_reason(
    dial: Dial, frame: str | bytes, reason: str
) -> None:
    bee = dial(KEY)
    bee.socket.send(frame)

    assert bee.close_code() == switchboard.MALFORMED
    assert reason in (bee.socket.close_reason or "")


def test_a_second_hello_ends_the_link(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    bee = dial(bee_key)
    challenge = bee.hear_a(Challenge)
    bee.say(bee.hello(challenge=challenge))
    bee.hear_a(Welcome)
    bee.say(bee.hello(challenge=challenge))

    assert bee.close_code() == switchboard.MALFORMED


def test_a_second_link_takes_over_and_the_first_is_told_for_good(
    dial: Dial, node: Node, bee_key: LocalAccount
) -> None:
    first = dial(bee_key)
    first.join()
    second = dial(bee_key)
    second.join()

    refused = _refusal(first)
    assert (refused.code, refused.reason) == (
        RefusalCode.REPLACED,
        "a newer link with the same key took over: run one agent per key",
    )
    second.say(Observed(revision=1, at_ms=0, assignments=[]))
    second.hear()
    node.refresh_from_db()
    assert node.state == NodeState.ONLINE
    eventually(lambda: NodeSession.objects.filter(closed_at=None).count() == 1)
