"""A month that ended: teams with budgets and taxes, their agreements, and what was used on them and posted.

Reports of the first teams of each filling are signed for real, so that their invoices can be verified; those
of all others look the same to the database.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.market.models import Agreement
    from apps.teams.models import Team

AGREEMENTS = 4
"""Of each team: two services of two replicas."""
REPORTS = 250
"""Of each agreement, a minute each."""
REPORTS_PER_TEAM = AGREEMENTS * REPORTS
RUNNING_MS, CPU_MS = 60_000, 6_000
PRICE = {"cpu_second_glm": Decimal("0.000001"), "second_glm": Decimal("0.000002")}
COST_GLM = Decimal("0.000126")
"""60 s at 0.000002 GLM, and 6 CPU seconds at 0.000001 GLM."""

UNSIGNED = """
INSERT INTO billing_usagerecord (
    agreement_id, sequence, previous_hash, hash, signature, started_at_ms, ended_at_ms, running_ms, cpu_ms,
    egress_bytes, final, state, received_at, billed_running_ms, billed_cpu_ms, billed_egress_bytes, cost_glm,
    reduced_because)
SELECT
    agreement, sequence, '0x' || encode(sha256(agreement::text::bytea || (sequence - 1)::text::bytea), 'hex'),
    '0x' || encode(sha256(agreement::text::bytea || sequence::text::bytea), 'hex'), '0x' || repeat('5e', 65),
    %(began_ms)s + (sequence - 1) * 60000, %(began_ms)s + sequence * 60000, 60000, 6000,
    0, false, 'posted', now(), 60000, 6000, 0, %(cost_glm)s, ''
FROM unnest(%(agreements)s::uuid[]) agreement, generate_series(1, %(reports)s) sequence
"""


def last_month() -> datetime:
    from django.utils import timezone

    from apps.billing.invoicing.monthly import month_of

    return month_of(month_of(timezone.now()) - timedelta(days=1))


def fill(teams: int, *, signed: int) -> list[Team]:
    """So many teams more, each with `REPORTS_PER_TEAM` reports; returns those whose reports are `signed`."""
    from apps.teams.models import Team

    drawn = [Team(slug=f"team-{uuid.uuid4().hex[:12]}", name="A team that pays taxes") for _ in range(teams)]
    made = Team.objects.bulk_create(drawn)
    Team.objects.filter(pk__in=[team.pk for team in made]).update(
        created_at=last_month() - timedelta(days=90)
    )
    _fund(made)
    agreements = [_agreement(team, number) for team in made for number in range(AGREEMENTS)]
    _save(agreements)
    real = {team.pk for team in made[:signed]}
    for agreement in agreements:
        if agreement.team_id in real:
            _use_signed(agreement)
    _use_unsigned([agreement for agreement in agreements if agreement.team_id not in real])
    return made[:signed]


def _fund(teams: list[Team]) -> None:
    from apps.billing.budgets.opening import open_budget
    from apps.billing.ledger.accounts import AccountKind, Transfer, TransferKind
    from apps.billing.ledger.posting import house_account, post_all
    from apps.billing.models import BillingDetails

    taxes = [{"name": "VAT", "percent": "19"}]
    BillingDetails.objects.bulk_create([BillingDetails(team=team, taxes=taxes) for team in teams])
    treasury = house_account(AccountKind.TREASURY)
    deposit: dict[str, Any] = {"kind": TransferKind.DEPOSIT, "debit": treasury, "amount": Decimal(10)}
    post_all(
        [Transfer(key=f"deposit:{team.pk}", credit=open_budget(team).available, **deposit) for team in teams]
    )


def _agreement(team: Team, number: int) -> Agreement:
    """Signed by both sides, and ended with the month."""
    from django.conf import settings

    from agent import typed_data
    from apps.market.models import Agreement, AgreementState, Demand, DemandState
    from apps.nodes.queen import queen_address, queen_key

    size: dict[str, Any] = {"team": team, "image": "hive/hello:1", "cpu_threads": Decimal("0.5")}
    size["mem_gib"] = Decimal("0.25")
    demand = Demand(**size, reference=str(uuid.uuid4()), runtimes=["process"], state=DemandState.AGREED)
    offer = _offer()
    began, ended = last_month(), last_month() + timedelta(days=28)
    made = Agreement(
        **size,
        **PRICE,
        demand=demand,
        offer=offer,
        node=offer.node,
        runtime="process",
        state=AgreementState.TERMINATED,
        requestor=queen_address(),
        valid_from=began,
        approved_at=began,
        ended_at=ended,
        expires_at=ended,
    )
    message = typed_data.agreement(made.terms, chain_id=settings.HIVE_CHAIN_ID)
    made.requestor_signature = typed_data.sign(message, queen_key())
    made.provider_signature = typed_data.sign(message, _node_key())
    return made


def _save(agreements: list[Agreement]) -> None:
    from apps.market.models import Agreement, Demand

    Demand.objects.bulk_create([agreement.demand for agreement in agreements])
    Agreement.objects.bulk_create(agreements)


def _use_unsigned(agreements: list[Agreement]) -> None:
    from django.db import connection

    told = {
        "agreements": [agreement.pk for agreement in agreements],
        "began_ms": int(last_month().timestamp() * 1000),
        "reports": REPORTS,
        "cost_glm": COST_GLM,
    }
    with connection.cursor() as cursor:
        cursor.execute(UNSIGNED, told)


def _use_signed(agreement: Agreement) -> None:
    from apps.billing.models import UsageRecord, UsageState

    billed: dict[str, Any] = {"billed_running_ms": RUNNING_MS, "billed_cpu_ms": CPU_MS, "cost_glm": COST_GLM}
    billed |= {"billed_egress_bytes": 0, "state": UsageState.POSTED}
    UsageRecord.objects.bulk_create(
        [UsageRecord(agreement=agreement, **report, **billed) for report in _reports(agreement)]
    )


def _reports(agreement: Agreement) -> list[dict[str, Any]]:
    """As the node chains and signs them."""
    from django.conf import settings

    from agent import protocol, typed_data

    began_ms, head, signed = int(last_month().timestamp() * 1000), typed_data.NO_HASH, []
    for sequence in range(1, REPORTS + 1):
        report: dict[str, Any] = {
            "sequence": sequence,
            "previous_hash": head,
            "started_at_ms": began_ms + (sequence - 1) * RUNNING_MS,
            "ended_at_ms": began_ms + sequence * RUNNING_MS,
            "running_ms": RUNNING_MS,
            "cpu_ms": CPU_MS,
            "egress_bytes": 0,
            "final": sequence == REPORTS,
        }
        draft = protocol.Usage(agreement_id=str(agreement.pk), **report, hash="", signature="")
        message = typed_data.usage(draft, chain_id=settings.HIVE_CHAIN_ID)
        head = typed_data.digest(message)
        signed.append(report | {"hash": head, "signature": typed_data.sign(message, _node_key())})
    return signed


def _node_key() -> Any:
    from eth_account import Account

    return Account.from_key((1).to_bytes(32, "big"))


def _offer() -> Any:
    """The one node's one offer: what was used is the same wherever it ran."""
    from django.utils import timezone

    from apps.nodes.models import Node, NodeState, Offer
    from apps.teams.models import User

    address = str(_node_key().address).lower()
    if offer := Offer.objects.filter(node=address).select_related("node").first():
        return offer
    size: dict[str, Any] = {"cpu_threads": Decimal(4), "mem_gib": Decimal(8)}
    owner = User.objects.create_user(username="bea")
    node = Node.objects.create(
        id=address, owner=owner, name="attic", state=NodeState.OFFLINE, runtimes=["process"], **size
    )
    now = timezone.now()
    return Offer.objects.create(
        node=node, runtime="process", **size, **PRICE, issued_at=now, deadline_at=now, signature="0x"
    )
