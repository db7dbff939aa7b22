"""Workers that negotiate, answer and end, side by side, and what must hold of the market at every moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from multiprocessing.process import BaseProcess

from django.conf import settings
from django.db import connection, connections, transaction
from django.utils import timezone
from eth_account.signers.local import LocalAccount

from agent import protocol, typed_data
from agent.conceding import asked_in
from agent.protocol import Answer, Verdict
from apps.market.models import (
    IN_FORCE,
    Agreement,
    AgreementState,
    Demand,
    DemandState,
    Proposal,
    ProposalState,
)
from apps.market.negotiating.bids import expire_late_bids
from apps.market.negotiating.negotiation import (
    agreements_for,
    cancel,
    look_again,
    negotiate_due,
    proposals_for,
    take_all_answers,
    terminate,
)
from apps.nodes.models import Node, Offer
from apps.teams.audit import Actor
from apps.teams.states import StaleState
from tests.cast import key_of_bee

__all__ = ["TESTER", "cancel", "end_some", "faults", "settle", "workers"]

TESTER = Actor.queen("test")


def work_until_killed(seed: int) -> None:
    """What Celery's workers and the links do, in an order of chance; never returns."""
    dice = random.Random(seed)
    while True:
        with suppress(StaleState):
            answer = partial(answer_all, dice)
            dice.choice((negotiate_due, negotiate_due, answer, end_some, look_again, expire_late_bids))()


def answer_all(dice: random.Random) -> None:
    """Every Bee answers: it bargains by the agent's rule, signs mostly, refuses or forges now and then."""
    ids = list(Node.objects.values_list("id", flat=True))
    said: dict[str, list[Answer]] = {node_id: [] for node_id in ids}
    for node_id, proposals in proposals_for(ids).items():
        said[node_id] += map(_bargain, proposals)
    for node_id, to_sign in agreements_for(ids).items():
        said[node_id] += [_sign(one.terms, dice.random()) for one in to_sign]
    take_all_answers(said)


def end_some() -> None:
    """A few of those in force, from either side."""
    for agreement in Agreement.objects.filter(state=AgreementState.APPROVED).order_by("?")[:2]:
        terminate(agreement, actor=TESTER, reason="no longer wanted")


def _bargain(asked: protocol.Proposal) -> Answer:
    price = Offer.objects.get(pk=asked.terms.offer_id).price
    half = protocol.Price(second_glm=price.second_glm / 2)
    least = asked_in(asked.round, asked=price, lowest=half)
    threads = asked.terms.cpu_threads
    enough = asked.terms.price.per_hour_glm(threads) >= least.per_hour_glm(threads)
    verdict = Verdict.ACCEPTED if enough else Verdict.COUNTERED
    return Answer(verdict=verdict, proposal_id=asked.proposal_id, counter_price=None if enough else least)


def _sign(terms: protocol.Terms, luck: float) -> Answer:
    if luck < 0.1:
        return Answer(verdict=Verdict.REJECTED, agreement_id=terms.agreement_id, reason="not today")
    key = key_of_bee(99) if luck < 0.15 else _key_of(terms.provider)
    message = typed_data.agreement(terms, chain_id=settings.HIVE_CHAIN_ID)
    signature = typed_data.sign(message, key)
    return Answer(verdict=Verdict.ACCEPTED, agreement_id=terms.agreement_id, signature=signature)


_KEYS = {str(key.address).lower(): key for key in map(key_of_bee, range(1, 30))}


def _key_of(node_id: str) -> LocalAccount:
    return _KEYS[node_id]


# -- processes --------------------------------------------------------------------------------------------


class Workers:
    """Processes with connections of their own, that can be killed as the kernel kills."""

    def __init__(self) -> None:
        self._seed = 0
        self._dice = random.Random(self._seed)
        self.running: list[BaseProcess] = []
        self.killed = 0

    def start(self) -> None:
        connections.close_all()  # a connection must not be shared by two processes
        self._seed += 1
        process = multiprocessing.get_context("fork").Process(target=work_until_killed, args=(self._seed,))
        process.start()
        self.running.append(process)

    def kill_one(self) -> None:
        victim = self._dice.choice(self.running)
        self.running.remove(victim)
        assert victim.is_alive(), "a worker ended by itself: see its traceback above"
        assert victim.pid
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        self.killed += 1


@contextmanager
def workers(count: int) -> Iterator[Workers]:
    """None is left afterwards."""
    team = Workers()
    try:
        for _ in range(count):
            team.start()
        yield team
    finally:
        while team.running:
            team.kill_one()


# -- what must hold ---------------------------------------------------------------------------------------


def faults() -> list[str]:
    """What is wrong with the market at this very moment: everything is read from one snapshot."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return [*_faults_of_nodes(), *_faults_of_demands()]


def _faults_of_nodes() -> Iterator[str]:
    """Claimed is what agreements in force come to, and no more than there is."""
    for node in Node.objects.all():
        in_force = list(Agreement.objects.filter(node=node, state__in=IN_FORCE))
        for what in ("cpu_threads", "mem_gib", "storage_gib", "gpus"):
            sold = sum((Decimal(getattr(one, what)) for one in in_force), Decimal(0))
            claimed, whole = getattr(node, f"{what}_claimed"), getattr(node, what)
            if not sold == claimed <= whole:
                yield f"{node}: {sold} {what} sold, {claimed} claimed, {whole} there"


def _faults_of_demands() -> Iterator[str]:
    """One that negotiates has one thing lying with a Bee; one that does not has nothing there."""
    lying = Counter(Proposal.objects.filter(state=ProposalState.SENT).values_list("demand", flat=True))
    lying += Counter(Agreement.objects.filter(state=AgreementState.PROPOSED).values_list("demand", flat=True))
    for demand in Demand.objects.all():
        expected = 1 if demand.state == DemandState.NEGOTIATING else 0
        if lying[demand.pk] != expected:
            yield f"{demand} is {demand.state}, and {lying[demand.pk]} things lie with bees"


def settle() -> None:
    """Everybody does what is theirs until nothing lies with a Bee any more."""
    dice = random.Random(0)
    while True:
        Demand.objects.filter(state=DemandState.OPEN).update(retry_at=timezone.now())
        negotiate_due()
        if not Demand.objects.filter(state=DemandState.NEGOTIATING).exists():
            return
        answer_all(dice)
