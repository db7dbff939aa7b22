from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from functools import partial

import msgspec
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent import typed_data
from agent.protocol import Answer, Answers, Observed, Offers, Stats, Verdict, Wanted
from apps.market.models import Agreement, AgreementState, Demand
from apps.market.needs import Need
from apps.market.negotiating.negotiation import negotiate_due, open_demand
from apps.nodes import presence
from apps.nodes.links import nudge
from apps.nodes.models import Listener, Node, NodeSession, NodeState, Offer, Statistic
from apps.teams.models import Team
from tests.cast import id_of, key_of_bee, signed_offer
from tests.switchboard.portal import Bee, dialled, eventually, serving

Dial = Callable[[LocalAccount], Bee]
HEARTBEAT = Observed(revision=1, at_ms=0, assignments=[], stats=Stats(cpu_percent=42.0))


def _state(node: Node) -> str:
    node.refresh_from_db()
    return node.state


def _counts(rows: QuerySet[Statistic], number: int) -> bool:
    return rows.count() == number


def _demand(team: Team) -> Demand:
    return open_demand(
        team=team,
        reference="replica:test",
        image="hive/hello:1",
        need=Need(runtimes=["process"], cpu_threads=Decimal("0.5"), mem_gib=Decimal("0.5")),
        give_up_at=timezone.now() + timedelta(minutes=5),
    )


def test_every_heartbeat_is_stored(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    bee = dial(bee_key)
    bee.join()

    stored = Statistic.objects.filter(node=node, cpu_percent=42)
    for number in range(1, 4):
        bee.say(HEARTBEAT)
        eventually(partial(_counts, stored, number))
    node.refresh_from_db()
    assert node.stats == {"cpu_percent": 42.0}


def test_a_bee_that_acts_on_something_older_is_told_again(
    dial: Dial, node: Node, bee_key: LocalAccount
) -> None:
    bee = dial(bee_key)
    first = bee.join()

    bee.say(Observed(revision=first.revision - 1, at_ms=0, assignments=[]))
    again = bee.hear_a(Wanted)

    assert again.revision == first.revision
    assert 0 < again.heartbeat_s <= settings.HIVE_HEARTBEAT_S


def test_it_notes_from_where_a_bee_calls(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    dial(bee_key).join()

    assert presence.peers([node.id]) == {node.id: "127.0.0.1"}


def test_a_nudge_brings_the_wanted_set_at_once(dial: Dial, node: Node, bee_key: LocalAccount) -> None:
    bee = dial(bee_key)
    bee.join()

    nudge(node.id)

    assert isinstance(bee.hear(), Wanted)


def test_from_offers_to_an_agreement_signed_over_the_link(
    dial: Dial, node: Node, bee_key: LocalAccount, team: Team
) -> None:
    bee = dial(bee_key)
    before = bee.join()
    bee.say(Offers(offers=[signed_offer(bee_key)]))
    eventually(lambda: Offer.objects.exists())

    _demand(team)
    negotiate_due()
    while not (wanted := bee.hear_a(Wanted)).agreements:
        pass
    assert wanted.revision > before.revision
    [to_sign] = wanted.agreements
    message = typed_data.agreement(to_sign.terms, chain_id=settings.HIVE_CHAIN_ID)
    signed = Answer(
        verdict=Verdict.ACCEPTED,
        agreement_id=to_sign.terms.agreement_id,
        signature=typed_data.sign(message, bee_key),
    )
    bee.say(Answers(answers=[signed]))

    eventually(lambda: Agreement.objects.filter(state=AgreementState.APPROVED).exists())
    while bee.hear_a(Wanted).agreements:
        pass


def test_one_bee_that_talks_nonsense_costs_the_others_nothing(
    dial: Dial, node: Node, bee_key: LocalAccount, make_node: Callable[..., Node]
) -> None:
    other_key = key_of_bee(41)
    make_node(other_key)
    sound, mad = dial(bee_key), dial(other_key)
    sound.join()
    mad.join()

    nonsense = msgspec.structs.replace(
        signed_offer(other_key), cpu_threads=Decimal("NaN"), offer_id="?" * 999
    )
    mad.say(Offers(offers=[nonsense]))
    sound.say(Offers(offers=[signed_offer(bee_key)]))

    eventually(lambda: Offer.objects.filter(node=node).exists())
    mad.say(Observed(revision=0, at_ms=0, assignments=[]))
    assert mad.hear_a(Wanted).approved


def test_a_link_that_drops_makes_its_node_unknown_and_the_next_one_online_again(
    dial: Dial, node: Node, bee_key: LocalAccount
) -> None:
    bee = dial(bee_key)
    bee.join()
    bee.socket.socket.close()

    eventually(lambda: _state(node) == NodeState.UNKNOWN)
    assert node.reason == "the connection was lost"

    dial(bee_key).join()
    assert _state(node) == NodeState.ONLINE


def test_a_restart_of_the_queen_makes_nodes_unknown_and_takes_nothing_from_them(
    transactional_db: None, node: Node, bee_key: LocalAccount
) -> None:
    Listener.objects.all().delete()
    with ExitStack() as connected, serving() as url:
        link = connected.enter_context(dialled(url, bee_key))
        link.join()
        eventually(Listener.objects.exists)
    assert (_state(node), node.reason) == (NodeState.UNKNOWN, "the portal is restarting")

    # However long she was away, nobody listened, so nobody was silent.
    Node.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    assert presence.sweep_silent() == []

    with serving() as url, dialled(url, bee_key) as bee:
        assert presence.sweep_silent() == []
        bee.join()
        assert _state(node) == NodeState.ONLINE


def test_links_of_a_process_that_was_killed_are_adopted_by_the_next(
    dial: Dial, node: Node, bee_key: LocalAccount
) -> None:
    """Killed means: no link was closed in order, the session of the old link is still open."""
    presence.link_opened(node_id=node.id, channel="of.a.dead.process")

    dial(bee_key).join()

    assert _state(node) == NodeState.ONLINE
    assert NodeSession.objects.get(closed_at=None).channel != "of.a.dead.process"
    assert id_of(bee_key) == node.id
