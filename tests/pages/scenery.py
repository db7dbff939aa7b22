"""A small hive in full work, for the pages to show: a row at least of every model."""

from __future__ import annotations

import hashlib
import math
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import models, transaction
from django.utils import timezone

from apps.billing.budgets.holding import place_hold
from apps.billing.budgets.opening import open_budget
from apps.billing.invoicing import crediting
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.ledger.checkpoints import draw_checkpoints
from apps.billing.ledger.posting import house_account, payable_account, transfer
from apps.billing.models import (
    Account,
    AccountKind,
    Approval,
    BillingDetails,
    Budget,
    ChainBlock,
    ChainNode,
    ChainTransfer,
    DailyProof,
    DebitNote,
    DebitNoteState,
    Dispute,
    EdgeTraffic,
    Hold,
    Invoice,
    MeteringFault,
    MeterReading,
    Payment,
    TransferKind,
    TreasuryWallet,
    UsageRecord,
    Wallet,
    WalletProof,
    Withdrawal,
)
from apps.billing.providers.disputing import object_to, take_up
from apps.deployments.models import (
    Assignment,
    Deployment,
    EdgeLog,
    Plan,
    Replica,
    ReplicaState,
    Service,
)
from apps.market.models import (
    Agreement,
    AgreementState,
    Demand,
    DemandState,
    FactKind,
    KeyPolicy,
    Proposal,
)
from apps.market.reputation.noting import note
from apps.market.reputation.reckoning import reckon
from apps.nodes.measured import NodeBenchmark, Span, Statistic
from apps.nodes.models import Enrolment, Listener, Node, NodeSession, NodeState, Offer
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import ApiToken, Team, User
from tests.billing.payments_of_tests import carried
from tests.pages.prices import paint_prices
from tests.pages.told import paint_told

COMPOSE = """\
name: hello
services:
  web:
    image: hive/hello:1
    ports:
      - "8000"
    deploy:
      replicas: 3
      resources:
        limits: {cpus: "0.5", memory: 256M}
    healthcheck:
      test: ["CMD", "wget", "-q", "-O-", "http://localhost:8000/"]
      interval: 2s
    x-hive:
      max-price-per-hour: 0.02
  worker:
    image: hive/worker:3
    deploy:
      replicas: 2
"""
ZERO_HASH = "0x" + "00" * 32


def hash_of(text: str) -> str:
    return "0x" + hashlib.sha256(text.encode()).hexdigest()


def address_of(text: str) -> str:
    return hash_of(text)[:42]


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@dataclass
class Scenery:
    team: Team
    user: User
    nodes: list[Node]
    budget: Budget
    deployment: Deployment
    service: Service
    replica: Replica
    agreement: Agreement
    plan: Plan
    invoice: Invoice
    token: ApiToken
    key: KeyPolicy
    dispute: Dispute


def paint(team: Team, user: User) -> Scenery:
    nodes = [
        _node(user, name, i, state)
        for i, (name, state) in enumerate(
            [
                ("attic", NodeState.ONLINE),
                ("studio", NodeState.ONLINE),
                ("garage", NodeState.ONLINE),
                ("office-nas", NodeState.ONLINE),
                ("old-laptop", NodeState.UNKNOWN),
                ("lab-3", NodeState.OFFLINE),
            ]
        )
    ]
    _node(user, "newcomer", 9, NodeState.PENDING)
    budget = _budget(team)
    deployment = Deployment.objects.create(
        team=team, budget=budget, name="hello", manifest={}, source=COMPOSE, created_by=user
    )
    web = _service(deployment, "web", 3, "hive/hello:1")
    worker = _service(deployment, "worker", 2, "hive/worker:3")
    agreements = [_healthy(web, i, nodes[i - 1], budget) for i in (1, 2, 3)]
    agreements.append(_healthy(worker, 1, nodes[3], budget))
    _negotiating(worker, 2, nodes[0])
    _stopped(team, user, budget)
    dispute = _dispute(agreements[1], user)
    _traffic(agreements[0])
    _usage_and_payment(agreements[0])
    _large_payment()
    draw_checkpoints()
    BillingDetails.objects.create(
        team=team,
        name="The Bakery, Müller & Søn",
        address="Hauptstraße 7\n10115 Berlin\nGermany",
        tax_id="DE123456789",
        taxes=[{"name": "VAT", "percent": "19"}],
    )
    invoice = draw_up_invoice(team=team, actor=Actor.user(user), until=timezone.now())
    crediting.credit(invoice, net_glm=invoice.net_glm / 10, actor=Actor.user(user), reason="slow on Tuesday")
    _reputations(agreements)
    plan = _plan(team, user, nodes)
    token, _ = ApiToken.issue(team=team, user=user, name="ci")
    Enrolment.issue(owner=user)
    Listener.objects.create(started_at=timezone.now(), last_seen_at=timezone.now())
    EdgeLog.objects.create(path="/var/log/hive/edge.log", inode=1)
    paint_prices()
    paint_told(team)
    replica = web.replicas.get(index=1)
    key = _key(team, user, nodes, deployment)
    return Scenery(
        team, user, nodes, budget, deployment, web, replica, agreements[0], plan, invoice, token, key, dispute
    )


def _key(team: Team, user: User, nodes: list[Node], deployment: Deployment) -> KeyPolicy:
    """With everything in it; what runs in the scenery was applied with it and is held for under it."""
    policy, _ = KeyPolicy.issue(
        team=team,
        user=user,
        name="shop",
        valid=timedelta(days=90),
        providers=[node.pk for node in nodes[:4]],
        images=["sha256:" + "5e" * 32, "sha3-256:" + "a1" * 32],
        signers=["MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
        limit_glm=Decimal(50),
        limit_per_day_glm=Decimal("7.5"),
        limit_per_hour_glm=Decimal("0.25"),
        requests_per_minute=60,
    )
    Deployment.objects.filter(pk=deployment.pk).update(key=policy.token)
    held = Hold.objects.filter(agreement__assignment__replica__service__deployment=deployment)
    held.update(key=policy.token, per_hour_glm=Decimal("0.0108"))
    return policy


def _node(user: User, name: str, number: int, state: str) -> Node:
    now = timezone.now()
    node = Node.objects.create(
        id=address_of(name),
        owner=user,
        name=name,
        state=state,
        reason={"unknown": "link lost", "offline": "silent for 30 s"}.get(state, ""),
        deadline_at=None if state in {NodeState.PENDING, NodeState.OFFLINE} else now + timedelta(seconds=15),
        approved_at=None if state == NodeState.PENDING else now - timedelta(days=3),
        last_seen_at=now - timedelta(seconds=number),
        runtimes=["docker", "process"] if number % 2 == 0 else ["process"],
        agent_version="0.1.0",
        properties={"golem.inf.cpu.threads": 4, "golem.inf.mem.gib": 8, "golem.node.id.name": name},
        stats={"cpu_percent": 12.5, "running": 1},
        ssh_host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPm1S0l0",
        cpu_threads=Decimal(4 + number % 3 * 2),
        mem_gib=Decimal(8),
        cpu_threads_claimed=Decimal("0.5"),
        mem_gib_claimed=Decimal("0.25"),
    )
    Node.objects.filter(pk=node.pk).update(created_at=now - timedelta(days=3))
    node.refresh_from_db()
    NodeSession.objects.create(node=node, opened_at=now - timedelta(hours=2), last_seen_at=now, channel="c")
    _measurements(node, now)
    Offer.objects.create(
        node=node,
        runtime=node.runtimes[0],
        cpu_threads=node.cpu_threads,
        mem_gib=node.mem_gib,
        start_glm=Decimal("0.0001"),
        cpu_second_glm=Decimal("0.0000008") + Decimal("0.0000001") * number,
        second_glm=Decimal("0.0000012"),
        egress_gib_glm=Decimal("0.002"),
        issued_at=now,
        deadline_at=now + timedelta(hours=1),
        signature="0x",
    )
    return node


def _measurements(node: Node, now: datetime) -> None:
    """An hour of heartbeats, one a minute, and a benchmark."""
    Statistic.objects.bulk_create(
        Statistic(
            node=node,
            span_s=Span.HEARTBEAT,
            at=now - timedelta(minutes=minute),
            cpu_percent=20 + 15 * math.sin(minute / 5),
            mem_used_bytes=(3 << 30) + (minute << 22),
            disk_used_bytes=40 << 30,
            sent_bytes_s=5000 + 4000 * math.sin(minute / 3),
            received_bytes_s=9000 + 7000 * math.cos(minute / 3),
            running=1,
        )
        for minute in range(60)
    )
    figures = {"cpu_single": 21.0, "cpu_all": 80.0, "mem_gib_s": 9.5, "disk_write_mib_s": 420.0}
    links = {"disk_read_mib_s": 510.0, "up_mbit_s": 38.0, "down_mbit_s": 92.0, "round_trip_ms": 24.0}
    node.benchmark = NodeBenchmark.objects.create(node=node, at=now - timedelta(hours=5), **figures, **links)
    node.save(update_fields=["benchmark"])


def _ask_for_some(budget: Budget, proof: WalletProof) -> None:
    Withdrawal.objects.create(
        budget=budget,
        proof=proof,
        amount=Decimal(2),
        reason="waits for an owner's confirmation",
        deadline_at=timezone.now() + timedelta(days=1),
    )


def _prove(wallet: Wallet) -> WalletProof:
    now = timezone.now()
    return WalletProof.objects.create(
        team=wallet.team,
        wallet=wallet,
        address=wallet.address,
        nonce="5f2d",
        message="hive.example wants you to sign in with your Ethereum account",
        signature="0x",
        proven_at=now,
        expires_at=now,
    )


def _budget(team: Team) -> Budget:
    budget = open_budget(team)
    wallet = Wallet.objects.create(team=team, budget=budget, address=address_of("wallet"))
    _ask_for_some(budget, _prove(wallet))
    ChainBlock.objects.create(chain_id=settings.HIVE_CHAIN_ID, number=7, hash=hash_of("block 7"))
    ChainNode.objects.create(name="127.0.0.1:8545", height=7, examined_at=timezone.now())
    TreasuryWallet.objects.create(chain_id=settings.HIVE_CHAIN_ID, address=address_of("queen"))
    for day in (19, 20, 21):
        prove_a_day(date(2026, 11, day), flagged=day == 20)
    ChainTransfer.objects.create(
        chain_id=settings.HIVE_CHAIN_ID,
        tx_hash=hash_of("deposit"),
        log_index=0,
        block_number=7,
        block_hash=hash_of("block 7"),
        sender=wallet.address,
        recipient=address_of("queen"),
        amount=Decimal(25),
        state="final",
        wallet=wallet,
    )
    transfer(
        key="deposit:1",
        kind=TransferKind.DEPOSIT,
        debit=house_account(AccountKind.TREASURY),
        credit=budget.available,
        amount_glm=Decimal(25),
        reference="chain:31337:0x5d…:0",
    )
    return budget


def _service(deployment: Deployment, name: str, replicas: int, image: str) -> Service:
    host = f"{name}.{deployment.name}.{deployment.team.slug}.localhost" if name == "web" else None
    return Service.objects.create(
        deployment=deployment, name=name, spec={"image": image}, replicas_wanted=replicas, host=host
    )


def _demand(team: Team, reference: str, state: str, **fields: Any) -> Demand:
    return Demand.objects.create(
        team=team,
        reference=reference,
        state=state,
        runtimes=["docker"],
        image="hive/hello:1",
        cpu_threads=Decimal("0.5"),
        mem_gib=Decimal("0.25"),
        deadline_at=None if state == DemandState.AGREED else timezone.now() + timedelta(minutes=9),
        **fields,
    )


def _healthy(service: Service, index: int, node: Node, budget: Budget) -> Agreement:
    now, team = timezone.now(), service.deployment.team
    offer = node.offers.get()
    replica = Replica.objects.create(
        service=service,
        spec=service.spec,
        index=index,
        state=ReplicaState.PENDING,
        deadline_at=now + timedelta(minutes=10),
        reason="applied",
    )
    demand = _demand(team, f"replica:{replica.pk}:1", DemandState.AGREED)
    agreement = Agreement.objects.create(
        demand=demand,
        offer=offer,
        node=node,
        team=team,
        state=AgreementState.APPROVED,
        requestor=address_of("queen"),
        runtime=offer.runtime,
        image=service.spec["image"],
        cpu_threads=demand.cpu_threads,
        mem_gib=demand.mem_gib,
        start_glm=offer.start_glm,
        cpu_second_glm=offer.cpu_second_glm,
        second_glm=offer.second_glm,
        egress_gib_glm=offer.egress_gib_glm,
        valid_from=now - timedelta(hours=1),
        expires_at=now + timedelta(days=30),
        deadline_at=now + timedelta(days=30),
        requestor_signature="0x",
        provider_signature="0x1",
        approved_at=now - timedelta(hours=1),
    )
    market, bee = Actor.queen("market"), Actor.node(node.pk)
    AuditLine.write(
        agreement, before="", after="proposed", actor=market, reason="waits for the bee's signature"
    )
    AuditLine.write(agreement, before="proposed", after="approved", actor=bee, reason="signed by both")
    hold = place_hold(
        budget=budget,
        reference=demand.reference,
        amount_glm=Decimal("0.9"),
        until=now + timedelta(minutes=15),
    )
    Hold.objects.filter(pk=hold.pk).update(agreement=agreement)
    Assignment.objects.create(
        replica=replica,
        generation=1,
        node=node,
        agreement=agreement,
        lease_until=now + timedelta(minutes=12, seconds=40),
        deadline_at=now + timedelta(minutes=12),
        observed="healthy",
        observed_at=now,
        endpoint=f"127.0.0.1:4100{index}",
    )
    queen = Actor.queen("reconcile")
    later = {"deadline_at": now + timedelta(minutes=10)}
    replica.move_to(
        ReplicaState.NEGOTIATING,
        actor=queen,
        reason="0.9 GLM held for 15 min",
        demand=demand,
        hold=hold,
        **later,
    )
    replica.move_to(ReplicaState.STARTING, actor=queen, reason=f"agreed with {node.name}", **later)
    replica.move_to(
        ReplicaState.HEALTHY, actor=Actor.node(node.pk), reason="passes its health check", **later
    )
    return agreement


def _negotiating(service: Service, index: int, node: Node) -> None:
    now = timezone.now()
    reason = "cheapest fitting offer is 0.012 GLM/h, above the limit of 0.001"
    replica = Replica.objects.create(
        service=service,
        spec=service.spec,
        index=index,
        generation=2,
        state=ReplicaState.PENDING,
        deadline_at=now + timedelta(minutes=9),
    )
    demand = _demand(service.deployment.team, f"replica:{replica.pk}:2", DemandState.OPEN, reason=reason)
    Proposal.objects.create(
        demand=demand, offer=node.offers.get(), state="rejected", reason="below my price", round=1
    )
    replica.move_to(
        ReplicaState.NEGOTIATING,
        actor=Actor.queen("market"),
        reason=reason,
        deadline_at=now + timedelta(minutes=9),
        demand=demand,
        retry_at=now + timedelta(seconds=14),
    )


def _stopped(team: Team, user: User, budget: Budget) -> None:
    nightly = Deployment.objects.create(
        team=team,
        budget=budget,
        name="nightly-report",
        wanted="stopped",
        manifest={},
        source="",
        created_by=user,
    )
    service = _service(nightly, "job", 1, "hive/report:2")
    Replica.objects.create(
        service=service,
        spec=service.spec,
        index=1,
        state=ReplicaState.STOPPED,
        reason="stopped on its page",
    )


def _traffic(agreement: Agreement) -> None:
    minute = timezone.now().replace(second=0, microsecond=0)
    waves = [12, 18, 25, 31, 28, 40, 55, 61, 48, 52, 70, 66, 81, 77, 90, 84, 62, 58, 73, 95, 88, 102, 97, 110]
    EdgeTraffic.objects.bulk_create(
        EdgeTraffic(
            agreement=agreement,
            minute=minute - timedelta(minutes=back),
            requests=count * 7,
            egress_bytes=count * 90_000,
        )
        for back, count in enumerate(waves)
    )


@transaction.atomic
def _usage_and_payment(agreement: Agreement) -> None:
    now, previous = timezone.now(), ZERO_HASH
    for sequence in range(1, 7):
        started = now - timedelta(minutes=8 - sequence)
        record = UsageRecord.objects.create(
            agreement=agreement,
            sequence=sequence,
            previous_hash=previous,
            hash=hash_of(f"{agreement.pk} {sequence}"),
            signature="0x",
            started_at_ms=ms(started),
            ended_at_ms=ms(started + timedelta(minutes=1)),
            running_ms=60_000,
            cpu_ms=9_400,
            egress_bytes=8_000_000,
            state="posted",
            billed_running_ms=59_800,
            billed_cpu_ms=9_400,
            billed_egress_bytes=7_900_000,
            cost_glm=Decimal("0.0000792"),
            reduced_because="the edge counted 7900000 bytes" if sequence == 3 else "",
        )
        previous = record.hash
    _post(agreement, Decimal("0.0004752"))
    MeteringFault.objects.create(agreement=agreement, kind="gap", sequence=4, detail="5 came before 4")
    MeterReading.objects.create(
        agreement=agreement, sequence=1, ended_at_ms=1, has_run=True, egress_bytes=0, egress_billed_bytes=0
    )
    payment = carried(
        node=agreement.node,
        sender=address_of("queen"),
        recipient=agreement.node_id,
        nonce=1,
        amount=Decimal("0.0004752"),
        tx_hash=hash_of("payout"),
        block_number=12,
        state="final",
    )
    in_flight, treasury = house_account(AccountKind.IN_FLIGHT), house_account(AccountKind.TREASURY)
    for kind, debit, credit in (
        (TransferKind.PAYOUT, payable_account(agreement.node), in_flight),
        (TransferKind.SETTLEMENT, in_flight, treasury),
    ):
        transfer(key=f"{kind}:{payment.id}", kind=kind, debit=debit, credit=credit, amount_glm=payment.amount)
    DebitNote.objects.create(
        agreement=agreement,
        sequence=1,
        usage_hash=previous,
        amount=Decimal("0.0004752"),
        amount_accepted=Decimal("0.0004752"),
        signature="0x",
        state="paid",
        payment=payment,
    )


@transaction.atomic
def _large_payment() -> None:
    """It waits: one operator of two has approved that a stray deposit goes back."""
    stray = ChainTransfer.objects.create(
        chain_id=settings.HIVE_CHAIN_ID,
        tx_hash=hash_of("stray deposit"),
        log_index=0,
        block_number=6,
        block_hash=hash_of("block 6"),
        sender=address_of("somebody's wallet"),
        recipient=address_of("queen"),
        amount=Decimal(1200),
        state="final",
    )
    waiting = Payment.objects.create(
        purpose="return",
        returns=stray,
        chain_id=31337,
        recipient=stray.sender,
        amount=stray.amount,
        state="waiting",
        approvals_needed=2,
        reason="above 1000 GLM: 2 operators have to approve it",
        deadline_at=timezone.now() + timedelta(hours=24),
    )
    treasury, suspense = house_account(AccountKind.TREASURY), house_account(AccountKind.SUSPENSE)
    in_flight = house_account(AccountKind.IN_FLIGHT)
    for key, kind, debit, credit in (
        (f"deposit:{stray.pk}", TransferKind.DEPOSIT, treasury, suspense),
        (f"payout:{waiting.pk}", TransferKind.PAYOUT, suspense, in_flight),
    ):
        transfer(key=key, kind=kind, debit=debit, credit=credit, amount_glm=stray.amount)
    ada = User.objects.create_user(username="ada", is_staff=True)
    ada.user_permissions.add(Permission.objects.get(codename="approve_payment"))
    Approval.objects.create(payment=waiting, user=ada, verdict="approved", reason="by ada in the admin")


def _dispute(agreement: Agreement, owner: User) -> Dispute:
    """Of studio, which asks for a little more than was rated; its owner has objected."""
    month = timezone.now() + timedelta(days=30)
    debit_note = DebitNote.objects.create(
        agreement=agreement,
        sequence=1,
        usage_hash=hash_of("disputed"),
        amount=Decimal("0.00042"),
        signature="0x",
        reason="asks 0.00042 GLM, 0 were rated up to report 4: 0.00042 too much",
        deadline_at=month,
        state=DebitNoteState.DISPUTED,
    )
    dispute = take_up(debit_note)
    object_to(dispute, user=owner, text="It ran for those six minutes: the journal has every one of them.")
    return dispute


def _post(agreement: Agreement, amount_glm: Decimal) -> None:
    hold = Hold.objects.get(agreement=agreement)
    held: Account = hold.budget.held
    transfer(
        key=f"usage:{agreement.pk}",
        kind=TransferKind.USAGE,
        debit=held,
        credit=payable_account(agreement.node),
        amount_glm=amount_glm,
        reference=f"usage:{agreement.pk}",
    )
    Hold.objects.filter(pk=hold.pk).update(posted=models.F("posted") + amount_glm)


def _reputations(agreements: list[Agreement]) -> None:
    """The first node keeps what it promises, the second has lost something lately."""
    now = timezone.now()
    for agreement, kind in ((agreements[0], FactKind.SERVED), (agreements[1], FactKind.LOST)):
        note(
            agreement.node_id,
            kind,
            reference=f"{kind}:{agreement.pk}",
            agreement=agreement,
            detail="it fell silent",
        )
        for days in range(1, 8):
            at = now - timedelta(days=days)
            note(
                agreement.node_id,
                FactKind.UPTIME,
                reference=f"uptime:{agreement.pk}:{days}",
                at=at,
                merit=0.997,
            )
    reckon([agreement.node_id for agreement in agreements], now=now)


def _plan(team: Team, user: User, nodes: list[Node]) -> Plan:
    placements: list[dict[str, Any]] = [
        {
            "service": "web",
            "replica": f"web-{i}",
            "node_id": nodes[i].pk,
            "node_name": nodes[i].name,
            "region": "eu-central",
            "offer_id": str(uuid.uuid4()),
            "price_per_hour_glm": "0.0072",
            "start_glm": "0.0001",
            "reason": "",
            "because": [
                "it was the cheapest of 4 that fit, at 0.0072 GLM/h",
                "old-laptop (0x1f…9a) was 4 % cheaper but lost 2 of 9 agreements",
            ],
        }
        for i in range(3)
    ]
    placements.append(
        {
            "service": "worker",
            "replica": "worker-1",
            "node_id": None,
            "offer_id": None,
            "price_per_hour_glm": None,
            "reason": "no bee offers 64 CPU threads: the largest has 8",
            "nearest": "with 8 CPU threads instead of 64 it fits bee garage (0x4c…d1) at 0.0288 GLM/h",
        }
    )
    return Plan.objects.create(
        team=team,
        author=user,
        name="hello",
        source=COMPOSE,
        manifest={
            "name": "hello",
            "services": {name: {"image": "hive/hello:1"} for name in ("web", "worker")},
            "notes": [],
        },
        placements=placements,
        risks=[
            {
                "kind": "one_owner",
                "text": "all 3 replicas of web would be on nodes of one owner, who could turn them all off",
                "replicas": ["web-1", "web-2", "web-3"],
            },
            {
                "kind": "newcomer",
                "text": "studio is new here: too little is known to rely on",
                "replicas": ["web-2"],
            },
        ],
        price_per_hour_glm=Decimal("0.0216"),
        signature="0x",
        expires_at=timezone.now() + timedelta(minutes=10),
    )


def prove_a_day(day: date, *, flagged: bool) -> DailyProof:
    """Three GLM are on their way in; one more is there than anybody can explain when `flagged`."""
    unexplained = Decimal(1) if flagged else Decimal(0)
    lines = [("came in, not deep enough to be credited (1 transfer)", "3", [hash_of("deposit")])]
    lines += [("nothing that the Hive knows of explains this", "1", [])] if flagged else []
    return DailyProof.objects.create(
        day=day,
        chain_id=settings.HIVE_CHAIN_ID,
        wallet=address_of("queen"),
        block_number=7,
        block_hash=hash_of("block 7"),
        chain_balance=Decimal("28.000000000000000001") + unexplained,
        ledger_balance=Decimal("25.000000000000000001"),
        coming=Decimal(3),
        leaving=Decimal(0),
        moved=Decimal(0),
        unexplained=unexplained,
        unmatched=0,
        is_flagged=flagged,
        lines=[{"what": what, "amount_glm": amount, "events": events} for what, amount, events in lines],
    )
