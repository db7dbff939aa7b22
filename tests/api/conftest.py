"""One thing of every kind that belongs to the bakery, and people who speak to the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.billing.budgets.opening import open_budget
from apps.billing.models import (
    Budget,
    DebitNote,
    Dispute,
    Invoice,
    UsageRecord,
    Wallet,
    WalletProof,
    Withdrawal,
)
from apps.billing.providers.disputing import take_up
from apps.deployments.manifest import ServiceSpec
from apps.deployments.models import Deployment, Plan, Replica, Service
from apps.deployments.plans.signing import sign
from apps.market.models import Agreement, KeyPolicy
from apps.nodes.models import Enrolment, Node, NodeState
from apps.teams.models import ApiToken, Member, Role, Team, User, Webhook
from apps.teams.notices.managing import send_test
from tests.billing.wallets_of_tests import proven
from tests.cast import key_of_bee

As = Callable[..., APIClient]


@pytest.fixture
def viewer(team: Team) -> User:
    user = User.objects.create_user(username="vera", password="vera-password")
    Member.objects.create(team=team, user=user, role=Role.VIEWER)
    return user


@pytest.fixture
def as_() -> As:
    """`as_(owner)`: a client with a fresh token of that user, for `team=` or the user's only one."""

    def client(user: User, *, team: Team | None = None) -> APIClient:
        _, text = ApiToken.issue(team=team or user.teams.get(), user=user, name="test")
        return with_token(text)

    return client


def with_token(text: str) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {text}"})


@pytest.fixture
def main_budget(team: Team) -> Budget:
    return open_budget(team)


@pytest.fixture
def deployment(team: Team, owner: User, main_budget: Budget) -> Deployment:
    """Two replicas of `web` wanted, none placed."""
    made = Deployment.objects.create(
        team=team, budget=main_budget, name="hello", manifest={}, source="", created_by=owner
    )
    spec = ServiceSpec(image="hive/hello:1").model_dump(mode="json")
    web = Service.objects.create(
        deployment=made, name="web", spec=spec, replicas_wanted=2, host="web.hello.bakery.localhost"
    )
    soon = timezone.now() + timedelta(minutes=10)
    for index in (1, 2):
        Replica.objects.create(service=web, index=index, deadline_at=soon, reason="needs a hold", spec=spec)
    return made


@pytest.fixture
def plan(team: Team, owner: User) -> Plan:
    """It has expired."""
    draft = Plan(
        team=team,
        author=owner,
        name="hello",
        source="",
        manifest={"name": "hello", "services": {}},
        placements=[],
        price_per_hour_glm=Decimal("0.01"),
        expires_at=timezone.now() - timedelta(minutes=1),
    )
    draft.signature = sign(draft)
    draft.save()
    return draft


@pytest.fixture
def invoice(team: Team) -> Invoice:
    now = timezone.now()
    return Invoice.objects.create(
        number="HIVE-2026-000007",
        team=team,
        period_start=now - timedelta(hours=1),
        period_end=now,
        state="paid",
        net_glm=Decimal("0.1"),
        total_glm=Decimal("0.1"),
        lines=[],
    )


@pytest.fixture
def usage(agreement: Agreement) -> UsageRecord:
    return UsageRecord.objects.create(
        agreement=agreement,
        sequence=1,
        previous_hash="0x" + "00" * 32,
        hash="0x" + "11" * 32,
        signature="0x",
        started_at_ms=0,
        ended_at_ms=1000,
        running_ms=1000,
        cpu_ms=10,
        egress_bytes=0,
    )


def _key(team: Team, owner: User) -> KeyPolicy:
    return KeyPolicy.issue(team=team, user=owner, name="kept", valid=timedelta(days=1))[0]


def _dispute(agreement: Agreement) -> Dispute:
    """Over a report that nobody knows."""
    note = DebitNote.objects.create(
        agreement=agreement,
        sequence=1,
        usage_hash="0x" + "22" * 32,
        amount=Decimal("0.001"),
        signature="0x",
        state="disputed",
        deadline_at=timezone.now() + timedelta(days=30),
    )
    return take_up(note)


def _told(team: Team) -> dict[str, Any]:
    """A webhook, and a test that waits to be sent to it."""
    webhook = Webhook.objects.create(team=team, url="https://hooks.bakery.example/")
    return {"webhook": webhook.pk, "delivery": send_test(webhook).pk}


def _withdrawal(budget: Budget) -> Withdrawal:
    proven(budget.team)
    return Withdrawal.objects.create(
        budget=budget,
        proof=WalletProof.objects.get(),
        amount=Decimal(2),
        deadline_at=timezone.now() + timedelta(days=1),
    )


@pytest.fixture
def theirs(
    deployment: Deployment,
    plan: Plan,
    invoice: Invoice,
    usage: UsageRecord,
    main_budget: Budget,
    owner: User,
    team: Team,
    make_node: Callable[..., Node],
) -> dict[str, Any]:
    """Base name of each detail address -> the id of something that is the bakery's alone."""
    Wallet.objects.create(team=team, budget=main_budget, address="0x" + "ab" * 20)
    unapproved = make_node(key_of_bee(99), state=NodeState.PENDING, approved_at=None, deadline_at=None)
    return {
        "plan": plan.pk,
        "deployment": deployment.pk,
        "node": unapproved.pk,
        "bee": unapproved.pk,
        "enrolment": Enrolment.issue(owner=owner)[0].pk,
        "agreement": usage.agreement_id,
        "budget": main_budget.pk,
        "statement": main_budget.pk,
        "billing": team.slug,
        "withdrawal": _withdrawal(main_budget).pk,
        "invoice": invoice.pk,
        "token": ApiToken.issue(team=team, user=owner, name="ci")[0].pk,
        "key": _key(team, owner).token_id,
        "dispute": _dispute(usage.agreement).pk,
        "alert": main_budget.alert_levels.all()[0].pk,
        **_told(team),
    }
