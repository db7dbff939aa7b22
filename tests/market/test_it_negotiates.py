from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from psycopg.errors import DeadlockDetected

from agent import protocol, typed_data
from agent.protocol import ROUNDS, AgreementToSign, Answer, Price, Terms, Verdict, round_glm
from apps.market.models import Agreement, AgreementState, Demand, DemandState, Proposal, ProposalState
from apps.market.needs import Need
from apps.market.negotiating import negotiation
from apps.market.negotiating.agreements import put_before_nodes
from apps.market.negotiating.bargaining import OPENING
from apps.market.negotiating.decide import decide
from apps.market.negotiating.negotiation import (
    agreements_for,
    cancel,
    open_demand,
    proposals_for,
    take_answers,
    terminate,
)
from apps.market.tasks import negotiate_due
from apps.nodes.models import Node, Offer
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db

TESTER = Actor.queen("test")


@pytest.fixture
def ask(team: Team) -> Callable[..., Demand]:
    """Opens a demand for half a thread and half a GiB, without a limit unless said otherwise."""

    def opened(**fields: Any) -> Demand:
        need = {"runtimes": ["process"], "cpu_threads": Decimal("0.5"), "mem_gib": Decimal("0.5")}
        return open_demand(
            team=team,
            reference=fields.pop("reference", f"replica:{Demand.objects.count()}"),
            image="hive/hello:1",
            planned_offer=fields.pop("planned_offer", None),
            need=Need(**(need | fields)),
            give_up_at=timezone.now() + timedelta(minutes=10),
        )

    return opened


def pending_for(node_id: str) -> tuple[list[Proposal], list[AgreementToSign]]:
    """What lies with this node to answer."""
    return proposals_for([node_id])[node_id], agreements_for([node_id])[node_id]


def _negotiated(demand: Demand) -> Demand:
    Demand.objects.filter(pk=demand.pk).update(retry_at=timezone.now())
    negotiation.negotiate_due()
    demand.refresh_from_db()
    return demand


def _signed(to_sign: AgreementToSign, key: LocalAccount) -> Answer:
    message = typed_data.agreement(to_sign.terms, chain_id=settings.HIVE_CHAIN_ID)
    return Answer(
        verdict=Verdict.ACCEPTED,
        agreement_id=to_sign.terms.agreement_id,
        signature=typed_data.sign(message, key),
    )


def _signer_of(terms: Terms, signature: str) -> str:
    """As any wallet library would find it: by the EIP-712 standard, not by our own `is_signed_by`."""
    price = {
        "startWei": int(terms.price.start_glm.scaleb(18)),
        "cpuSecondWei": int(terms.price.cpu_second_glm.scaleb(18)),
        "secondWei": int(terms.price.second_glm.scaleb(18)),
        "egressGibWei": int(terms.price.egress_gib_glm.scaleb(18)),
    }
    message = {
        "agreementId": terms.agreement_id,
        "requestor": terms.requestor,
        "provider": terms.provider,
        "offerId": terms.offer_id,
        "runtime": terms.runtime,
        "image": terms.image,
        "cpuThreadsMilli": int(terms.cpu_threads * 1000),
        "memBytes": int(terms.mem_gib * 2**30),
        "storageBytes": int(terms.storage_gib * 2**30),
        "gpus": terms.gpus,
        **price,
        "validFromMs": terms.valid_from_ms,
        "expiresAtMs": terms.expires_at_ms,
        "team": terms.team,
    }
    domain = {"name": "Golem Hive", "version": "1", "chainId": settings.HIVE_CHAIN_ID}
    types = {"Agreement": [{"name": name, "type": kind} for name, kind in typed_data.TYPES["Agreement"]]}
    return Account.recover_message(encode_typed_data(domain, types, message), signature=signature).lower()


def test_an_offer_within_the_limit_becomes_an_agreement_that_both_have_signed(
    ask: Callable[..., Demand], offer: Offer, node: Node, bee_key: LocalAccount
) -> None:
    demand = _negotiated(ask())
    assert demand.state == DemandState.NEGOTIATING
    proposals, [to_sign] = pending_for(node.id)
    assert proposals == []

    assert take_answers(node_id=node.id, answers=[_signed(to_sign, bee_key)]) == {demand.id}

    demand.refresh_from_db()
    agreement = Agreement.objects.get()
    assert (demand.state, agreement.state) == (DemandState.AGREED, AgreementState.APPROVED)
    assert _signer_of(agreement.terms, agreement.requestor_signature) == queen_address()
    assert _signer_of(agreement.terms, agreement.provider_signature) == node.id
    node.refresh_from_db()
    assert (node.cpu_threads_claimed, node.mem_gib_claimed) == (Decimal("0.5"), Decimal("0.5"))
    assert pending_for(node.id) == ([], [])
    assert AuditLine.objects.filter(noun="agreement", after="approved", actor=f"node:{node.id}").exists()


def test_an_answer_that_comes_twice_changes_nothing(
    ask: Callable[..., Demand], offer: Offer, node: Node, bee_key: LocalAccount
) -> None:
    _negotiated(ask())
    answer = _signed(pending_for(node.id)[1][0], bee_key)

    take_answers(node_id=node.id, answers=[answer])
    assert take_answers(node_id=node.id, answers=[answer]) == set()


def test_a_signature_of_somebody_else_is_no_signature(
    ask: Callable[..., Demand], offer: Offer, node: Node
) -> None:
    demand = _negotiated(ask())
    answer = _signed(pending_for(node.id)[1][0], key_of_bee(99))

    take_answers(node_id=node.id, answers=[answer])

    demand.refresh_from_db()
    agreement = Agreement.objects.get()
    assert (agreement.state, agreement.reason) == (
        AgreementState.REJECTED,
        "its signature does not verify",
    )
    assert demand.state == DemandState.OPEN


def test_another_node_can_not_sign_in_its_place(
    ask: Callable[..., Demand], offer: Offer, node: Node, make_node: Callable[..., Node]
) -> None:
    _negotiated(ask())
    other_key = key_of_bee(50)
    other = make_node(other_key)
    answer = _signed(pending_for(node.id)[1][0], other_key)

    assert take_answers(node_id=other.id, answers=[answer]) == set()
    assert Agreement.objects.get().state == AgreementState.PROPOSED


def test_a_refusal_frees_the_capacity_and_another_node_is_asked(
    ask: Callable[..., Demand],
    offer: Offer,
    node: Node,
    make_node: Callable[..., Node],
    make_offer: Callable[..., Offer],
) -> None:
    dearer = make_offer(make_node(), price=Price(second_glm=Decimal(1)))
    demand = _negotiated(ask())
    agreement_id = pending_for(node.id)[1][0].terms.agreement_id
    refusal = Answer(verdict=Verdict.REJECTED, agreement_id=agreement_id, reason="image not allowed here")

    take_answers(node_id=node.id, answers=[refusal])
    demand.refresh_from_db()
    assert demand.reason == f"bee {node.id[:10]}… would not: image not allowed here"

    _negotiated(demand)
    assert pending_for(node.id) == ([], [])
    assert len(pending_for(dearer.node_id)[1]) == 1
    node.refresh_from_db()
    assert node.cpu_threads_claimed == 0


def test_a_bee_that_does_not_sign_in_time_loses_the_agreement(
    ask: Callable[..., Demand], offer: Offer, node: Node, bee_key: LocalAccount
) -> None:
    demand = _negotiated(ask())
    late = _signed(pending_for(node.id)[1][0], bee_key)
    Agreement.objects.update(deadline_at=timezone.now())

    negotiate_due()

    assert take_answers(node_id=node.id, answers=[late]) == set()
    demand.refresh_from_db()
    node.refresh_from_db()
    assert (demand.state, Agreement.objects.get().state) == (DemandState.OPEN, AgreementState.EXPIRED)
    assert demand.reason == f"bee {node.id[:10]}… would not: gave no answer in time"
    assert node.cpu_threads_claimed == 0


# -- bargaining -------------------------------------------------------------------------------------------

LIMIT = Decimal("0.001")


@pytest.fixture
def dear_offer(node: Node, make_offer: Callable[..., Offer]) -> Offer:
    """0.012 GLM an hour, twelve times the limit."""
    return make_offer(node, price=Price(second_glm=Decimal("0.012") / 3600))


def test_for_an_offer_above_the_limit_the_first_bid_is_below_it(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    demand = _negotiated(ask(max_price_per_hour_glm=LIMIT))

    [proposal], agreements = pending_for(node.id)

    assert agreements == [] and demand.state == DemandState.NEGOTIATING
    assert proposal.round == 1
    opening = LIMIT * OPENING
    assert opening - Decimal("1e-14") < proposal.terms.price.per_hour_glm(Decimal("0.5")) <= opening


def test_a_bee_that_would_gets_the_agreement_at_that_price(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    demand = _negotiated(ask(max_price_per_hour_glm=LIMIT))
    [proposal], _ = pending_for(node.id)
    yes = Answer(verdict=Verdict.ACCEPTED, proposal_id=proposal.proposal_id)

    assert take_answers(node_id=node.id, answers=[yes]) == {demand.id}
    _negotiated(demand)

    _, [to_sign] = pending_for(node.id)
    assert to_sign.terms.price == proposal.terms.price


def test_a_counter_proposal_within_the_limit_is_taken(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    demand = _negotiated(ask(max_price_per_hour_glm=LIMIT))
    [proposal], _ = pending_for(node.id)
    lower = Price(second_glm=Decimal("0.0000001"))
    counter = Answer(verdict=Verdict.COUNTERED, proposal_id=proposal.proposal_id, counter_price=lower)

    take_answers(node_id=node.id, answers=[counter])
    _negotiated(demand)

    _, [to_sign] = pending_for(node.id)
    assert to_sign.terms.price == lower
    assert rounds() == [(1, "queen", ProposalState.COUNTERED), (1, "bee", ProposalState.ACCEPTED)]


@pytest.mark.parametrize(
    "answer",
    [
        {"verdict": Verdict.REJECTED},
        {"verdict": Verdict.COUNTERED, "counter_price": Price(second_glm=Decimal(1))},
        {"verdict": Verdict.COUNTERED, "counter_price": Price(second_glm=Decimal("NaN"))},
    ],
)
def test_a_price_that_no_bee_accepts_waits_with_its_reason_and_gives_up_in_the_end(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node, answer: dict[str, Any]
) -> None:
    demand = _negotiated(ask(max_price_per_hour_glm=LIMIT))
    [proposal], _ = pending_for(node.id)
    take_answers(node_id=node.id, answers=[Answer(proposal_id=proposal.proposal_id, **answer)])

    _negotiated(demand)
    assert demand.state == DemandState.OPEN
    assert demand.reason == (
        "the cheapest fitting offer is 0.012 GLM/h, above the limit of 0.001 GLM/h, "
        "and its bee would not go lower"
    )
    assert demand.retry_at > timezone.now()

    Demand.objects.update(deadline_at=timezone.now())
    _negotiated(demand)
    assert demand.state == DemandState.FAILED
    assert demand.reason.startswith("gave up after ") and "above the limit of 0.001" in demand.reason


def test_many_that_wait_are_told_in_as_many_questions_as_one(
    ask: Callable[..., Demand], offer: Offer
) -> None:
    def asked() -> int:
        Demand.objects.update(retry_at=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            assert negotiation.negotiate_due() == Demand.objects.count()
        return len(queries)

    ask(cpu_threads=Decimal(64))
    alone = asked()
    for _ in range(10):
        ask(cpu_threads=Decimal(64))
    assert asked() == alone
    assert (
        Demand.objects.filter(reason__startswith="no bee offers", retry_at__gt=timezone.now()).count() == 11
    )


def test_a_wait_falls_when_the_market_changed_while_it_was_decided(
    ask: Callable[..., Demand], offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = ask(cpu_threads=Decimal(64))

    def decided(situation: Any, *, now: Any) -> Any:
        negotiation.look_again()
        return decide(situation, now=now)

    monkeypatch.setattr(negotiation, "decide", decided)
    _negotiated(demand)
    assert demand.retry_at <= timezone.now()


def test_a_batch_that_the_database_undid_is_tried_one_by_one(
    ask: Callable[..., Demand], offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    demands = [ask() for _ in range(2)]

    def undone_together(drafts: list[Any]) -> Any:
        if len(drafts) > 1:
            raise OperationalError("deadlock detected") from DeadlockDetected()
        return put_before_nodes(drafts)

    monkeypatch.setattr(negotiation, "put_before_nodes", undone_together)
    negotiation.negotiate_due()
    assert Agreement.objects.filter(demand__in=demands).count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_the_database_can_not_do_is_told_not_tried_again(
    ask: Callable[..., Demand], offer: Offer
) -> None:
    """Somebody holds the node's row for longer than the database lets anybody wait."""
    demand, held, over = ask(), threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Node.objects.select_for_update().get(pk=offer.node_id)
            held.set()
            over.wait(60)
        connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(hold)
        try:
            assert held.wait(60)
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            with pytest.raises(OperationalError, match="lock timeout"):
                negotiation.negotiate_due()
        finally:
            connection.close()
            over.set()
    assert not Agreement.objects.filter(demand=demand).exists()


def test_more_cpu_than_any_bee_has_waits_with_its_reason(ask: Callable[..., Demand], offer: Offer) -> None:
    demand = _negotiated(ask(cpu_threads=Decimal(64)))

    assert demand.state == DemandState.OPEN
    assert demand.reason == "no bee offers 64 CPU threads: the largest has 4"


def rounds() -> list[tuple[int, str, str]]:
    """Round, issuer and state of all proposals, oldest first."""
    return list(Proposal.objects.order_by("created_at").values_list("round", "issuer", "state"))


def _asks(proposal: protocol.Proposal, per_hour: str) -> Answer:
    """What a Bee counters that wants this much an hour."""
    price = Price(second_glm=round_glm(Decimal(per_hour) / 3600))
    return Answer(verdict=Verdict.COUNTERED, proposal_id=proposal.proposal_id, counter_price=price)


def test_bid_and_ask_come_closer_until_they_meet(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    demand, bids = ask(max_price_per_hour_glm=Decimal("0.010")), []
    for asked in ("0.0112", "0.0104", "0.0096"):
        _negotiated(demand)
        [proposal], _ = pending_for(node.id)
        bids.append(proposal.terms.price.per_hour_glm(Decimal("0.5")))
        take_answers(node_id=node.id, answers=[_asks(proposal, asked)])
    _negotiated(demand)

    assert [round(bid, 6) for bid in bids] == [Decimal("0.008"), Decimal("0.0085"), Decimal("0.009")]
    [to_sign] = pending_for(node.id)[1]
    assert round(to_sign.terms.price.per_hour_glm(Decimal("0.5")), 6) == Decimal("0.0096")
    assert rounds() == [
        (1, "queen", "countered"),
        (1, "bee", "countered"),
        (2, "queen", "countered"),
        (2, "bee", "countered"),
        (3, "queen", "countered"),
        (3, "bee", "accepted"),
    ]
    assert Agreement.objects.get().because[0] == "bargained from 0.012 to 0.0096 GLM/h in 3 rounds"


def test_no_bid_is_above_the_limit_and_the_last_is_the_limit(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    limit = Decimal("0.010")
    demand, bids = ask(max_price_per_hour_glm=limit), []
    for asked in ("0.0115", "0.0111", "0.0107", "0.0103"):
        _negotiated(demand)
        [proposal], _ = pending_for(node.id)
        bids.append(proposal.terms.price.per_hour_glm(Decimal("0.5")))
        take_answers(node_id=node.id, answers=[_asks(proposal, asked)])
    _negotiated(demand)
    [last], _ = pending_for(node.id)

    assert last.round == ROUNDS
    bids.append(last.terms.price.per_hour_glm(Decimal("0.5")))
    assert bids == sorted(bids) and max(bids) <= limit
    assert limit - Decimal("1e-14") < bids[-1]


def test_a_bee_that_will_not_come_down_far_enough_is_left_alone_early(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node, make_node: Any, make_offer: Any
) -> None:
    dearer = make_offer(make_node(), price=Price(second_glm=Decimal("0.013") / 3600))
    demand = ask(max_price_per_hour_glm=Decimal("0.010"))
    for asked in ("0.0119", "0.0118"):
        _negotiated(demand)
        [proposal], _ = pending_for(node.id)
        take_answers(node_id=node.id, answers=[_asks(proposal, asked)])

    _negotiated(demand)

    assert pending_for(node.id) == ([], [])
    [elsewhere], _ = pending_for(dearer.node_id)
    assert elsewhere.round == 1


def test_two_demands_do_not_bargain_for_the_same_room(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    """The node has four threads: the second would be told yes, and find the room gone."""
    first = _negotiated(ask(cpu_threads=Decimal(3), max_price_per_hour_glm=LIMIT))
    second = _negotiated(ask(cpu_threads=Decimal(3), max_price_per_hour_glm=LIMIT))

    assert len(pending_for(node.id)[0]) == 1
    assert (first.state, second.state) == (DemandState.NEGOTIATING, DemandState.OPEN)
    assert second.reason == "others bargain with every bee that fits"


# -- as planned -------------------------------------------------------------------------------------------


def test_what_was_planned_is_taken_first_while_it_stands(
    ask: Callable[..., Demand], two_offers: tuple[Offer, Offer]
) -> None:
    _, dear = two_offers
    _negotiated(ask(planned_offer=dear.id))
    assert Agreement.objects.get().offer == dear
    assert Agreement.objects.get().because[0] == "the plan put it here"


@pytest.mark.parametrize(
    "spoiled",
    [
        {"state": "withdrawn", "deadline_at": None},
        {"runtime": "docker"},
        {"second_glm": Decimal(1)},
    ],
)
def test_what_was_planned_and_does_not_do_any_more_is_passed_over(
    ask: Callable[..., Demand], two_offers: tuple[Offer, Offer], spoiled: dict[str, Any]
) -> None:
    cheap, dear = two_offers
    Offer.objects.filter(pk=dear.pk).update(**spoiled)
    _negotiated(ask(planned_offer=dear.id, max_price_per_hour_glm=Decimal("3000")))
    assert Agreement.objects.get().offer == cheap


# -- spread -----------------------------------------------------------------------------------------------


@pytest.fixture
def two_offers(
    offer: Offer, make_node: Callable[..., Node], make_offer: Callable[..., Offer]
) -> tuple[Offer, Offer]:
    """The second is dearer, and large enough for everybody, like the first."""
    return offer, make_offer(make_node(), price=Price(second_glm=Decimal("0.01")))


def test_demands_of_a_group_are_spread_and_then_share(
    ask: Callable[..., Demand], two_offers: tuple[Offer, Offer]
) -> None:
    cheap, dear = two_offers
    for _ in range(3):
        _negotiated(ask(group="service:web"))
    _negotiated(ask(group="service:other"))

    nodes = list(Agreement.objects.order_by("created_at").values_list("node_id", flat=True))
    assert nodes == [cheap.node_id, dear.node_id, cheap.node_id, cheap.node_id]


@pytest.mark.django_db(transaction=True)
def test_a_group_that_negotiates_all_at_once_is_spread_too(
    ask: Callable[..., Demand], two_offers: tuple[Offer, Offer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(negotiation, "AT_ONCE", 1)  # one for each worker
    demands = [ask(group="service:web") for _ in range(2)]
    together = threading.Barrier(2)

    def negotiated(demand: Demand) -> None:
        together.wait()
        try:
            while Demand.objects.get(pk=demand.pk).state == DemandState.OPEN:
                negotiation.negotiate_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(negotiated, demands))

    assert Agreement.objects.values("node").distinct().count() == 2


# -- ends -------------------------------------------------------------------------------------------------


def test_a_demand_is_opened_once_per_reference(ask: Callable[..., Demand]) -> None:
    assert ask(reference="replica:a:1") == ask(reference="replica:a:1")
    assert Demand.objects.count() == 1


def test_a_cancelled_demand_takes_its_open_agreement_with_it(
    ask: Callable[..., Demand], offer: Offer, node: Node
) -> None:
    demand = _negotiated(ask())

    cancel(demand, actor=TESTER, reason="scaled down")

    demand.refresh_from_db()
    node.refresh_from_db()
    assert demand.state == DemandState.CANCELLED
    assert Agreement.objects.get().state == AgreementState.TERMINATED
    assert node.cpu_threads_claimed == 0 and pending_for(node.id) == ([], [])


def test_a_cancelled_demand_takes_its_open_proposal_with_it(
    ask: Callable[..., Demand], dear_offer: Offer, node: Node
) -> None:
    demand = _negotiated(ask(max_price_per_hour_glm=LIMIT))
    cancel(demand, actor=TESTER, reason="scaled down")
    Proposal.objects.update(deadline_at=timezone.now())

    negotiate_due()

    assert pending_for(node.id) == ([], [])
    assert Demand.objects.get().state == DemandState.CANCELLED


def test_terminating_twice_frees_the_capacity_once(agreement: Agreement, node: Node) -> None:
    stale = Agreement.objects.get(pk=agreement.pk)
    terminate(agreement, actor=TESTER, reason="replica stopped")
    terminate(agreement, actor=TESTER, reason="again")
    with pytest.raises(Exception, match="no longer approved"):
        terminate(stale, actor=TESTER, reason="from another worker")

    agreement.refresh_from_db()
    node.refresh_from_db()
    assert agreement.state == AgreementState.TERMINATED and agreement.ended_at is not None
    assert node.cpu_threads_claimed == 0


def test_an_agreement_ends_when_it_runs_out(agreement: Agreement, node: Node) -> None:
    Agreement.objects.update(deadline_at=timezone.now())

    negotiate_due()

    agreement.refresh_from_db()
    node.refresh_from_db()
    assert agreement.state == AgreementState.EXPIRED and node.cpu_threads_claimed == 0
