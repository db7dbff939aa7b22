"""A hive at work: nodes that were heard, agreements with money held, and the usage reports of their Bees.

One report is a minute of running. Reports are chained and, where they are to be checked, signed for real.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.protocol import Usage
    from apps.billing.models import Budget
    from apps.market.models import Agreement
    from apps.nodes.models import Node

MINUTE_MS = 60_000
PRICE = {
    "start_glm": Decimal("0.0001"),
    "cpu_second_glm": Decimal("0.000001"),
    "second_glm": Decimal("0.000002"),
    "egress_gib_glm": Decimal("0.01"),
}


def key_of(number: int) -> Any:
    """The same number always gives the same node."""
    from agent.keys import key_of

    return key_of(number.to_bytes(32, "big"))


def settle_in(*, nodes: int, teams: int, each: int, began: datetime) -> list[Agreement]:
    """`each` agreements on each node, spread over the teams, in force since `began` and funded."""
    from apps.market.models import Agreement, Demand
    from apps.nodes.models import Listener, NodeSession

    now = began + timedelta(days=400)
    Listener.objects.create(started_at=began - timedelta(days=1), last_seen_at=now)
    made = _nodes(nodes)
    NodeSession.objects.bulk_create(
        NodeSession(node=node, opened_at=began, last_seen_at=now, channel=f"bench {node.pk}") for node in made
    )
    budgets = [_budget() for _ in range(teams)]
    offers = {node.pk: _offer(node, began) for node in made}
    drawn = [
        _agreement(offers[node.pk], budgets[number % teams].team, began)
        for number, node in enumerate(node for node in made for _ in range(each))
    ]
    Demand.objects.bulk_create([one.demand for one in drawn])
    agreements = Agreement.objects.bulk_create(drawn)
    _hold([(budgets[number % teams], one) for number, one in enumerate(agreements)], until=now)
    return agreements


def signed(agreement: Agreement, key: Any, *, count: int) -> list[Usage]:
    """The first reports of its chain."""
    from django.conf import settings

    from agent import protocol, typed_data

    assert agreement.approved_at is not None
    clock_ms, head, reports = int(agreement.approved_at.timestamp() * 1000), typed_data.NO_HASH, []
    for sequence in range(1, count + 1):
        fields: dict[str, Any] = {
            "agreement_id": str(agreement.pk),
            "sequence": sequence,
            "previous_hash": head,
            "started_at_ms": clock_ms,
            "ended_at_ms": clock_ms + MINUTE_MS,
            "running_ms": MINUTE_MS,
            "cpu_ms": 6_000,
            "egress_bytes": 0,
            "final": False,
        }
        draft = protocol.Usage(**fields, hash="", signature="")
        message = typed_data.usage(draft, chain_id=settings.HIVE_CHAIN_ID)
        head, clock_ms = typed_data.digest(message), clock_ms + MINUTE_MS
        reports.append(protocol.Usage(**fields, hash=head, signature=typed_data.sign(message, key)))
    return reports


UNSIGNED = """
INSERT INTO billing_usagerecord (
    agreement_id, sequence, previous_hash, hash, signature, started_at_ms, ended_at_ms, running_ms, cpu_ms,
    egress_bytes, final, state, received_at, reduced_because)
SELECT
    agreement.id, sequence, '0x' || encode(sha256((sequence - 1)::text::bytea), 'hex'),
    '0x' || encode(sha256(sequence::text::bytea), 'hex'), '0x' || repeat('5e', 65),
    began_ms + (sequence - 1) * 60000, began_ms + sequence * 60000, 60000, 6000,
    0, false, 'received', now(), ''
FROM (
    SELECT id, (extract(epoch FROM approved_at) * 1000)::bigint AS began_ms FROM market_agreement
    ORDER BY id LIMIT %(agreements)s
) AS agreement, generate_series(%(first)s, %(last)s) AS sequence
"""


def use(*, first: int, last: int, agreements: int | None = None) -> None:
    """Reports of these sequences of all agreements, or of so many, as good as signed: stored, not rated."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(UNSIGNED, {"first": first, "last": last, "agreements": agreements})


def analyze() -> None:
    """What the database's own housekeeping would have done by now."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _nodes(count: int) -> list[Node]:
    from apps.nodes.models import Node, NodeState
    from apps.teams.models import User

    owner = User.objects.create_user(username="bea")
    size: dict[str, Any] = {"cpu_threads": Decimal(64), "mem_gib": Decimal(256)}
    return Node.objects.bulk_create(
        Node(
            id=key_of(number).address,
            owner=owner,
            name=f"node {number}",
            state=NodeState.OFFLINE,
            runtimes=["process"],
            **size,
        )
        for number in range(1, count + 1)
    )


def _budget() -> Budget:
    from apps.billing.budgets.opening import open_budget
    from apps.billing.ledger.accounts import AccountKind, TransferKind
    from apps.billing.ledger.posting import house_account, transfer
    from apps.teams.models import Team

    budget = open_budget(Team.objects.create(slug=f"team-{uuid.uuid4().hex[:12]}", name="A team"))
    transfer(
        key=f"deposit:{budget.pk}",
        kind=TransferKind.DEPOSIT,
        debit=house_account(AccountKind.TREASURY),
        credit=budget.available,
        amount_glm=Decimal(100_000),
    )
    return budget


def _offer(node: Node, began: datetime) -> Any:
    from apps.nodes.models import Offer

    size: dict[str, Any] = {"cpu_threads": node.cpu_threads, "mem_gib": node.mem_gib}
    return Offer.objects.create(
        node=node, runtime="process", **size, **PRICE, issued_at=began, deadline_at=began, signature="0x"
    )


def _agreement(offer: Any, team: Any, began: datetime) -> Agreement:
    from apps.market.models import Agreement, AgreementState, Demand, DemandState
    from apps.nodes.queen import queen_address

    size: dict[str, Any] = {"team": team, "image": "hive/hello:1", "cpu_threads": Decimal("0.5")}
    size["mem_gib"] = Decimal("0.25")
    demand = Demand(**size, reference=str(uuid.uuid4()), runtimes=["process"], state=DemandState.AGREED)
    ends = began + timedelta(days=500)
    return Agreement(
        **size,
        **PRICE,
        demand=demand,
        offer=offer,
        node=offer.node,
        runtime="process",
        state=AgreementState.APPROVED,
        requestor=queen_address(),
        valid_from=began,
        approved_at=began,
        expires_at=ends,
        deadline_at=ends,
        requestor_signature="0x",
        provider_signature="0x",
    )


def _hold(funded: list[tuple[Budget, Agreement]], *, until: datetime) -> None:
    """10 GLM for each, as `place_hold` would, in one set."""
    from apps.billing.ledger.accounts import Transfer, TransferKind
    from apps.billing.ledger.posting import post_all
    from apps.billing.models import Hold

    holds = Hold.objects.bulk_create(
        Hold(budget=budget, reference=f"bench:{one.pk}", amount=Decimal(10), deadline_at=until, agreement=one)
        for budget, one in funded
    )
    post_all(
        [
            Transfer(
                key=f"hold:{hold.pk}",
                kind=TransferKind.HOLD,
                debit=hold.budget.available,
                credit=hold.budget.held,
                amount=hold.amount,
                reference=f"hold:{hold.pk}",
            )
            for hold in holds
        ]
    )
