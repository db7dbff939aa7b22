"""The fixed cast of the tests: a team with its owner, a teammate, a stranger with a team of their own, a Bee.

What a Bee signs is signed here with its real key, so the Queen's checks see what they would see in life.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from eth_account import Account
from eth_account.signers.local import LocalAccount

from agent import protocol, typed_data
from apps.billing.budgets.opening import open_budget
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.models import AccountKind, Budget, TransferKind, UsageRecord, UsageState
from apps.market.models import Agreement, AgreementState, Demand, DemandState
from apps.nodes import capacity
from apps.nodes.models import Listener, Node, NodeState, Offer
from apps.nodes.queen import queen_address, queen_key
from apps.nodes.silence import silent_from
from apps.teams.models import Member, Role, Team, User

PRICE = protocol.Price(
    start_glm=Decimal("0.0001"), cpu_second_glm=Decimal("0.000001"), second_glm=Decimal("0.000002")
)


def key_of_bee(number: int) -> LocalAccount:
    """The same number always gives the same Bee."""
    return Account.from_key(number.to_bytes(32, "big"))


def id_of(key: LocalAccount) -> str:
    return str(key.address).lower()


# -- people -----------------------------------------------------------------------------------------------


def _member(team: Team, name: str, role: str) -> User:
    user = User.objects.create_user(username=name, email=f"{name}@example.org", password=f"{name}-password")
    Member.objects.create(team=team, user=user, role=role)
    return user


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(slug="bakery", name="The Bakery")


@pytest.fixture
def owner(team: Team) -> User:
    return _member(team, "olga", Role.OWNER)


@pytest.fixture
def teammate(team: Team) -> User:
    return _member(team, "tim", Role.DEVELOPER)


@pytest.fixture
def other_team(db: None) -> Team:
    return Team.objects.create(slug="rivals", name="The Rivals")


@pytest.fixture
def stranger(other_team: Team) -> User:
    return _member(other_team, "sid", Role.OWNER)


# -- Bees -------------------------------------------------------------------------------------------------


def _queen_listens() -> None:
    """Silence counts while the Queen listens: she has for a day, and goes on for another."""
    now = timezone.now()
    if not Listener.objects.exists():
        day = timedelta(days=1)
        Listener.objects.create(started_at=now - day, last_seen_at=now + day)


@pytest.fixture
def bee_key() -> LocalAccount:
    """The key behind `node`."""
    return key_of_bee(1)


@pytest.fixture
def make_node(owner: User) -> Callable[..., Node]:
    """`make_node(key=None, **fields)`: approved, online, 4 threads and 8 GiB unless said otherwise."""
    numbers = itertools.count(2)

    def make(key: LocalAccount | None = None, **fields: Any) -> Node:
        key = key or key_of_bee(next(numbers))
        now = timezone.now()
        _queen_listens()
        given = {
            "owner": owner,
            "name": f"bee {id_of(key)[-4:]}",
            "state": NodeState.ONLINE,
            "deadline_at": silent_from(now),
            "approved_at": now,
            "last_seen_at": now,
            "runtimes": ["process"],
            "cpu_threads": Decimal(4),
            "mem_gib": Decimal(8),
        }
        return Node.objects.create(id=id_of(key), **(given | fields))

    return make


@pytest.fixture
def node(make_node: Callable[..., Node], bee_key: LocalAccount) -> Node:
    return make_node(bee_key)


def signed_offer(key: LocalAccount, **fields: Any) -> protocol.Offer:
    """An offer as a Bee publishes it: 4 threads, 8 GiB of runtime `process` unless said otherwise."""
    given = {
        "offer_id": str(uuid.uuid4()),
        "runtime": "process",
        "cpu_threads": Decimal(4),
        "mem_gib": Decimal(8),
        "storage_gib": Decimal(10),
        "price": PRICE,
        "valid_s": 3600.0,
        "issued_at_ms": int(timezone.now().timestamp() * 1000),
    }
    draft = protocol.Offer(**(given | fields), signature="")
    message = typed_data.offer(draft, node=id_of(key), chain_id=settings.HIVE_CHAIN_ID)
    return protocol.Offer(**(given | fields), signature=typed_data.sign(message, key))


@pytest.fixture
def make_offer() -> Callable[..., Offer]:
    """`make_offer(node, price=PRICE, **fields)`: live for an hour. Its signature is a stand-in."""

    def make(node: Node, *, price: protocol.Price = PRICE, **fields: Any) -> Offer:
        now = timezone.now()
        given = {
            "runtime": "process",
            "cpu_threads": node.cpu_threads,
            "mem_gib": node.mem_gib,
            "start_glm": price.start_glm,
            "cpu_second_glm": price.cpu_second_glm,
            "second_glm": price.second_glm,
            "egress_gib_glm": price.egress_gib_glm,
            "issued_at": now,
            "deadline_at": now + timedelta(hours=1),
            "signature": "0x",
        }
        return Offer.objects.create(node=node, **(given | fields))

    return make


@pytest.fixture
def offer(node: Node, make_offer: Callable[..., Offer]) -> Offer:
    return make_offer(node)


# -- contracts --------------------------------------------------------------------------------------------


def agreed(offer: Offer, key: LocalAccount, *, team: Team, **fields: Any) -> Agreement:
    """Signed by both, capacity claimed, approved just now."""
    now = timezone.now()
    need = {
        "team": team,
        "image": "hive/hello:1",
        "cpu_threads": Decimal("0.5"),
        "mem_gib": Decimal("0.25"),
    }
    reference = fields.pop("reference", str(uuid.uuid4()))
    demand = Demand.objects.create(
        **need, reference=reference, runtimes=[offer.runtime], state=DemandState.AGREED
    )
    given = need | {
        "demand": demand,
        "offer": offer,
        "node": offer.node,
        "runtime": offer.runtime,
        "state": AgreementState.APPROVED,
        "requestor": queen_address(),
        "start_glm": offer.start_glm,
        "cpu_second_glm": offer.cpu_second_glm,
        "second_glm": offer.second_glm,
        "egress_gib_glm": offer.egress_gib_glm,
        "valid_from": now,
        "expires_at": now + timedelta(days=30),
        "deadline_at": now + timedelta(days=30),
        "approved_at": now,
    }
    agreement = Agreement(**(given | fields))
    message = typed_data.agreement(agreement.terms, chain_id=settings.HIVE_CHAIN_ID)
    agreement.requestor_signature = typed_data.sign(message, queen_key())
    agreement.provider_signature = typed_data.sign(message, key)
    agreement.save()
    capacity.claim(node_id=agreement.node_id, size=agreement.size)
    return agreement


@pytest.fixture
def make_agreement(team: Team) -> Callable[..., Agreement]:
    """`make_agreement(offer, key, **fields)`: as `agreed` does, with the team unless said otherwise."""

    def make(offer: Offer, key: LocalAccount, **fields: Any) -> Agreement:
        return agreed(offer, key, **({"team": team} | fields))

    return make


@pytest.fixture
def agreement(make_agreement: Callable[..., Agreement], offer: Offer, bee_key: LocalAccount) -> Agreement:
    return make_agreement(offer, bee_key)


def posted_usage(
    agreement: Agreement,
    *,
    sequence: int = 1,
    ended_at_ms: int = 1000,
    cost_glm: Decimal = Decimal("0.1"),
) -> UsageRecord:
    """A second of running, rated: what an invoice is drawn up from."""
    return UsageRecord.objects.create(
        agreement=agreement,
        sequence=sequence,
        previous_hash="0x" + "00" * 32,
        hash=f"0x{uuid.uuid4().hex}{uuid.uuid4().hex}",
        signature="0x",
        started_at_ms=ended_at_ms - 1000,
        ended_at_ms=ended_at_ms,
        running_ms=1000,
        cpu_ms=10,
        egress_bytes=0,
        state=UsageState.POSTED,
        billed_running_ms=1000,
        billed_cpu_ms=10,
        billed_egress_bytes=0,
        cost_glm=cost_glm,
    )


# -- money ------------------------------------------------------------------------------------------------


@pytest.fixture
def fund() -> Callable[..., None]:
    """`fund(budget, amount_glm)`: as a deposit on the chain would."""
    counter = itertools.count(1)

    def give(budget: Budget, amount_glm: Decimal | str) -> None:
        transfer(
            key=f"test:{budget.pk}:{next(counter)}",
            kind=TransferKind.DEPOSIT,
            debit=house_account(AccountKind.TREASURY),
            credit=budget.available,
            amount_glm=Decimal(amount_glm),
        )

    return give


@pytest.fixture
def budget(team: Team, fund: Callable[..., None]) -> Budget:
    """The team's main budget, with 10 GLM in it."""
    opened = open_budget(team)
    fund(opened, "10")
    return opened
