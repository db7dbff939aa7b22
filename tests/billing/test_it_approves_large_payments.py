"""Large payments wait for two operators, money reserved; on a real anvil, and attacked with plain SQL."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.billing import tasks
from apps.billing.ledger.posting import balance, check_ledger, house_account, payable_account
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import (
    AccountKind,
    Approval,
    DebitNote,
    Payment,
    PaymentState,
    Transaction,
    Withdrawal,
    WithdrawalState,
)
from apps.billing.providers.debit_notes import review_debit_notes, store_debit_notes
from apps.billing.treasury.approving import NotTheirs, approve_payment, chase_approvals, refuse_payment
from apps.billing.treasury.large import is_large
from apps.billing.treasury.settlement import pay_providers
from apps.billing.treasury.signers import treasury_address
from apps.billing.wallets.withdrawing import confirm_withdrawal, request_withdrawal
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import User
from apps.teams.notices.models import Notice
from apps.teams.states import StateError
from hive_portal.standing import figures
from tests.billing.chain_of_tests import FINALITY
from tests.billing.test_it_works_side_by_side import side_by_side
from tests.billing.treasury_of_tests import operator, owe
from tests.billing.wallets_of_tests import WALLET, proven

chain = pytest.mark.needs("chain")
db = pytest.mark.django_db


@pytest.mark.parametrize(
    ("total", "limit", "expected"),
    [("5", None, False), ("5", "5", False), ("5.000000000000000001", "5", True), ("0.1", "0", True)],
)
def test_it_is_large_above_the_limit(total: str, limit: str | None, expected: bool) -> None:
    assert is_large(Decimal(total), limit_glm=Decimal(limit) if limit else None) is expected


# -- the cast ---------------------------------------------------------------------------------------------


@pytest.fixture
def anna(db: None) -> Actor:
    return operator("anna")


@pytest.fixture
def bert(db: None) -> Actor:
    return operator("bert")


@pytest.fixture
def budget(team: Any, owner: User, anvil: Any, settings: Any) -> Any:
    """10 GLM; what is above 3 GLM is large. Its owner is an operator as well."""
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal(3)
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    owner.user_permissions.add(Permission.objects.get(codename="approve_payment"))
    wallet = proven(team)
    anvil.glm.deposit(WALLET, treasury_address(), Decimal(10))
    anvil.grow(FINALITY)
    return wallet.budget


@pytest.fixture(autouse=True)
def books_agree(request: Any) -> Any:
    yield
    if "budget" in request.fixturenames:
        assert check_ledger() == []


@pytest.fixture
def large(budget: Any, owner: User) -> Payment:
    """A withdrawal of 4 GLM that olga asked for and confirmed."""
    olga = Actor.user(owner)
    address = WALLET.address.lower()
    asked = request_withdrawal(budget=budget, address=address, amount_glm=Decimal(4), actor=olga)
    payment = confirm_withdrawal(asked, actor=olga).payment
    assert payment is not None
    return payment


def approve(payment: Payment, actor: Actor) -> Payment:
    return approve_payment(payment, actor=actor, reason="looked at it")


def stand(payment: Payment) -> str:
    payment.refresh_from_db()
    return payment.state


def in_flight() -> Decimal:
    return balance(house_account(AccountKind.IN_FLIGHT))


# -- approved ---------------------------------------------------------------------------------------------


@chain
@db
def test_it_signs_nothing_before_two_have_approved(
    large: Payment, budget: Any, anvil: Any, anna: Actor, bert: Actor
) -> None:
    assert (stand(large), in_flight(), budget.available_glm) == (PaymentState.WAITING, 4, 6)
    assert approve(large, anna).state == PaymentState.WAITING
    anvil.grow(FINALITY)
    assert not Transaction.objects.exists()
    assert approve(large, bert).state == PaymentState.READY
    for _ in range(2):
        anvil.grow(FINALITY)
    assert stand(large) == PaymentState.FINAL
    assert (anvil.glm_of(WALLET.address), in_flight()) == (4, 0)
    assert Withdrawal.objects.get().state == WithdrawalState.PAID
    told = AuditLine.objects.filter(noun="payment", after__in=["approved", "ready"]).order_by("id")
    assert [(line.actor, line.reason) for line in told] == [
        ("user:anna", "1 of 2: looked at it"),
        ("user:bert", "2 of 2: looked at it"),
        ("user:bert", "approved by anna and bert"),
    ]


@chain
@db
def test_it_tells_operators_what_waits(large: Payment) -> None:
    notice = Notice.objects.get(kind="payment.waiting")
    assert notice.subject == "4 GLM in 1 payment wait for approval"
    assert f"Withdrawal by a team: 4 GLM to {large.recipient}" in notice.text
    assert "2 operators have to approve it" in Withdrawal.objects.get().reason
    figure = next(each for each in figures() if each.title == "Payments to approve")
    assert (figure.value, figure.fine) == ("1", False)
    assert figure.link.endswith("payment/?state__exact=waiting")


@chain
@db
@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("4", "4 GLM have left the budget: operators of the Hive have to approve it before they are sent."),
        ("3", f"3 GLM are on their way to {WALLET.address.lower()}."),
    ],
)
def test_it_says_on_the_page_that_it_waits(budget: Any, owner: User, amount: str, told: str) -> None:
    address = WALLET.address.lower()
    asked = request_withdrawal(
        budget=budget, address=address, amount_glm=Decimal(amount), actor=Actor.user(owner)
    )
    client = Client()
    client.force_login(owner)
    page = client.post(reverse("billing:confirm-withdrawal", args=[asked.pk]), follow=True)
    assert [str(message) for message in page.context["messages"]] == [told]
    assert "None…" not in page.content.decode()  # it has no transaction to name yet


@chain
@db
def test_it_pays_what_is_not_large_at_once(budget: Any, owner: User) -> None:
    olga = Actor.user(owner)
    address = WALLET.address.lower()
    asked = request_withdrawal(budget=budget, address=address, amount_glm=Decimal(3), actor=olga)
    payment = confirm_withdrawal(asked, actor=olga).payment
    assert payment is not None
    assert (payment.state, payment.approvals_needed) == (PaymentState.SENT, 0)


@chain
@db
def test_it_counts_nobody_twice_and_not_who_asked(
    large: Payment, owner: User, teammate: User, anna: Actor
) -> None:
    approve(large, anna)
    with pytest.raises(NotTheirs, match="you approved it already"):
        approve(large, anna)
    with pytest.raises(NotTheirs, match="you asked for it yourself"):
        approve(large, Actor.user(owner))
    for nobody in (Actor.user(teammate), Actor.queen("settlement"), Actor.user("ghost")):  # type: ignore[arg-type]
        with pytest.raises(NotTheirs, match="operators alone"):
            approve(large, nobody)
    assert (stand(large), large.approvals.count()) == (PaymentState.WAITING, 1)


@chain
@db
def test_it_does_not_count_who_asked_for_the_withdrawal(
    budget: Any, owner: User, teammate: User, anna: Actor
) -> None:
    """A member who is an operator as well asks for it; the owner confirms it."""
    User.objects.filter(pk=teammate.pk).update(is_staff=True, is_superuser=True)
    address = WALLET.address.lower()
    asked = request_withdrawal(
        budget=budget, address=address, amount_glm=Decimal(4), actor=Actor.user(teammate)
    )
    payment = confirm_withdrawal(asked, actor=Actor.user(owner)).payment
    assert payment is not None
    with pytest.raises(NotTheirs, match="you asked for it yourself"):
        approve(payment, Actor.user(teammate))
    refused(SAY, payment.pk, teammate.pk, "approved", because="who asked for a payment can't approve it")
    refused("UPDATE billing_withdrawal SET requested_by_id = %s", owner.pk, because="it is who asked")
    approve(payment, anna)


@chain
@db
def test_it_does_not_count_who_gets_the_money(
    budget: Any, hold: Any, node: Any, settings: Any, anna: Actor
) -> None:
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal("0.1")
    owe(hold, node, "0.5")
    [payment] = pay_providers(minimum_glm=Decimal(0))
    User.objects.filter(pk=node.owner_id).update(is_staff=True, is_superuser=True)
    with pytest.raises(NotTheirs, match="it goes to your own node"):
        approve(payment, Actor.user(node.owner))
    refused(SAY, payment.pk, node.owner_id, "approved", because="the payment of their own node")
    approve(payment, anna)


@chain
@db
def test_it_does_not_count_the_team_that_gets_the_money(
    large: Payment, teammate: User, anna: Actor, team: Any
) -> None:
    """As for what a team is credited; whoever else of it asked."""
    User.objects.filter(pk=teammate.pk).update(is_staff=True, is_superuser=True)
    for verdict in (approve_payment, refuse_payment):
        with pytest.raises(NotTheirs, match="it goes to a team of yours"):
            verdict(large, actor=Actor.user(teammate), reason="looked at it")
    refused(SAY, large.pk, teammate.pk, "approved", because="what their own team withdraws")
    approve(large, anna)
    team.members.filter(user=teammate).delete()
    assert approve(large, Actor.user(teammate)).state == PaymentState.READY


@chain
@db
@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_it_does_not_count_who_is_no_operator_any_more(
    large: Payment, anna: Actor, bert: Actor, change: dict[str, bool]
) -> None:
    approve(large, anna)
    User.objects.filter(username="anna").update(**change)
    assert approve(large, bert).state == PaymentState.WAITING
    ready = "UPDATE billing_payment SET state = 'ready' WHERE id = %s"
    refused(ready, large.pk, because="needs the approval of 2 operators")
    assert approve(large, operator("carl")).reason == "approved by bert and carl"


@chain
@db
def test_it_counts_those_who_may_alone(large: Payment, anna: Actor, bert: Actor) -> None:
    """By a permission of their own or of a group of theirs."""
    clerk = User.objects.create_user(username="dora", is_staff=True)
    with pytest.raises(NotTheirs, match="you need the permission to approve large payments"):
        approve(large, Actor.user(clerk))
    refused(SAY, large.pk, clerk.pk, "approved", because="operators alone approve payments")
    approve(large, anna)
    group = Group.objects.create(name="treasurers")
    group.permissions.add(Permission.objects.get(codename="approve_payment"))
    clerk.groups.add(group)
    assert approve(large, Actor.user(clerk)).state == PaymentState.READY


# -- refused, late ----------------------------------------------------------------------------------------


@chain
@db
def test_it_gives_back_what_one_refuses(
    large: Payment, budget: Any, anvil: Any, anna: Actor, bert: Actor
) -> None:
    approve(large, anna)
    refuse_payment(large, actor=bert, reason="not ours to pay")
    anvil.grow(FINALITY)
    assert (stand(large), large.reason) == (PaymentState.FAILED, "refused by bert: not ours to pay")
    assert (budget.available_glm, in_flight()) == (10, 0)
    assert Withdrawal.objects.get().state == WithdrawalState.FAILED
    [shown] = [each for each in figures() if each.title == "Payments under way"]
    assert (shown.hint, shown.fine) == ("none failed, 1 refused by operators", True)
    with pytest.raises(StateError, match="waits for nobody's approval"):
        approve(large, operator("carl"))


@chain
@db
def test_it_tells_again_and_then_gives_up(large: Payment, budget: Any, settings: Any) -> None:
    def pass_the_deadline() -> int:
        Payment.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
        return chase_approvals()

    assert chase_approvals() == 0
    assert pass_the_deadline() == 1
    large.refresh_from_db()
    left = large.deadline_at - timezone.now()  # type: ignore[operator]
    assert timedelta(hours=settings.HIVE_APPROVAL_HOURS - 1) < left
    assert Withdrawal.objects.get().deadline_at == large.deadline_at
    assert Notice.objects.filter(kind="payment.late").count() == 1
    assert chase_approvals() == 0
    assert pass_the_deadline() == 1
    assert (stand(large), large.reason) == (PaymentState.FAILED, "it was not approved in time")
    assert (budget.available_glm, chase_approvals()) == (10, 0)


@chain
@db
@pytest.mark.parametrize("trouble", ["the chain is silent", "the settings name another chain"])
def test_it_gives_back_what_can_not_be_sent_in_time(
    large: Payment, budget: Any, settings: Any, anna: Actor, bert: Actor, trouble: str
) -> None:
    for actor in (anna, bert):
        approve(large, actor)
    if trouble == "the chain is silent":
        settings.HIVE_RPC_URL = "http://127.0.0.1:1"
    else:
        settings.HIVE_CHAIN_ID = 5
    tasks.watch()
    assert stand(large) == PaymentState.READY
    Payment.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    tasks.watch()
    assert stand(large) == PaymentState.FAILED
    assert large.reason == "it could not be sent in time: neither chain nor signer took it"
    assert (budget.available_glm, Withdrawal.objects.get().state) == (10, WithdrawalState.FAILED)


@chain
@db
def test_it_tells_of_all_that_are_late_at_once(budget: Any, hold: Any, make_node: Any, settings: Any) -> None:
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal("0.1")
    for _ in range(3):
        owe(hold, make_node(), "0.05")
    assert len(pay_providers(minimum_glm=Decimal(0))) == 3
    Payment.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert chase_approvals() == 3
    notice = Notice.objects.get(kind="payment.late")
    assert notice.subject == "0.15 GLM in 3 payments still wait for approval"
    assert AuditLine.objects.filter(noun="payment", after="escalated").count() == 3


# -- payouts ----------------------------------------------------------------------------------------------


@chain
@db
def test_it_asks_for_payouts_too(
    budget: Any, meter: Any, node: Any, anvil: Any, settings: Any, anna: Actor, bert: Actor
) -> None:
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal("0.0001")
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    store_debit_notes(node_id=node.id, notes=[meter.note("0.000226")])
    review_debit_notes()
    [payment] = pay_providers(minimum_glm=Decimal(0))
    assert (payment.state, payment.requested_by) == (PaymentState.WAITING, None)
    assert pay_providers(minimum_glm=Decimal(0)) == []  # its money is reserved: none is payable
    refuse_payment(payment, actor=anna, reason="disputed")
    assert balance(payable_account(node)) == Decimal("0.000226")
    assert DebitNote.objects.get().payment is None
    [again] = pay_providers(minimum_glm=Decimal(0))
    for actor in (anna, bert):
        approve(again, actor)
    for _ in range(2):
        anvil.grow(FINALITY)
    assert (stand(again), anvil.glm_of(node.id)) == (PaymentState.FINAL, Decimal("0.000226"))


# -- plain SQL --------------------------------------------------------------------------------------------


def refused(sql: str, *parameters: object, because: str) -> None:
    with pytest.raises(DatabaseError, match=because), transaction.atomic():
        connection.cursor().execute(sql, parameters)


SAY = "INSERT INTO billing_approval (payment_id, user_id, verdict, reason, at) VALUES (%s, %s, %s, '', now())"


@chain
@db
def test_it_is_kept_by_the_database(large: Payment, owner: User, teammate: User, anna: Actor) -> None:
    ready = "UPDATE billing_payment SET state = 'ready' WHERE id = %s"
    refused(ready, large.pk, because="needs the approval of 2 operators")
    approve(large, anna)
    refused(ready, large.pk, because="needs the approval of 2 operators")
    first = Approval.objects.get()
    refused(SAY, large.pk, first.user_id, "approved", because="approval_once_per_person")
    refused(SAY, large.pk, owner.pk, "approved", because="who asked for a payment can't approve it")
    refused(SAY, large.pk, teammate.pk, "approved", because="operators alone approve payments")
    refused("UPDATE billing_payment SET approvals_needed = 1", because="it is what was asked")
    refused("UPDATE billing_payment SET requested_by_id = %s", teammate.pk, because="it is what was asked")
    refused("UPDATE billing_approval SET user_id = %s", teammate.pk, because="it is an operator's word")
    refused("DELETE FROM billing_approval", because="it is an operator's word")
    refused(
        "UPDATE billing_payment SET state = 'signed' WHERE id = %s",
        large.pk,
        because="keep_states|no way|needs",
    )


@chain
@db
@pytest.mark.parametrize(("needed", "state"), [(2, "ready"), (0, "waiting")])
def test_it_begins_by_waiting_or_needs_nobody(large: Payment, needed: int, state: str) -> None:
    with pytest.raises(DatabaseError, match="begins by waiting"), transaction.atomic():
        Payment.objects.create(
            chain_id=1,
            recipient="0x" + "11" * 20,
            amount=1,
            purpose="withdrawal",
            approvals_needed=needed,
            state=state,
            deadline_at=timezone.now(),
        )


@chain
@pytest.mark.django_db(transaction=True)
def test_it_counts_two_words_at_once_as_two(large: Payment, anna: Actor, bert: Actor) -> None:
    side_by_side(lambda: approve(large, anna), lambda: approve(large, bert))
    assert stand(large) == PaymentState.READY


# -- in the admin -----------------------------------------------------------------------------------------


def press(actor: Actor, verb: str, payment: Payment) -> str:
    client = Client()
    client.force_login(User.objects.get(username=actor.name))
    data = {"action": verb, "_selected_action": [str(payment.pk)]}
    page = client.post(reverse("admin:billing_payment_changelist"), data, follow=True)
    return page.content.decode()


@chain
@db
def test_it_is_done_in_the_admin_by_who_may(large: Payment, anna: Actor, bert: Actor) -> None:
    view, may = (Permission.objects.get(codename=name) for name in ("view_payment", "approve_payment"))
    for actor in (anna, bert):
        User.objects.get(username=actor.name).user_permissions.set([view])
    press(anna, "approve", large)
    assert not large.approvals.exists()
    for actor in (anna, bert):
        User.objects.get(username=actor.name).user_permissions.add(may)
    assert "1 of 2" in press(anna, "approve", large)
    assert "you approved it already" in press(anna, "approve", large)
    press(bert, "approve", large)
    assert stand(large) == PaymentState.READY
