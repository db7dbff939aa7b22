"""Large credit notes and large grants take two operators, as payments do; PostgreSQL counts their words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.ledger.posting import balance, check_ledger, house_account, payable_account
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, Approval, CreditNote, Dispute, Invoice
from apps.billing.providers.debit_notes import review_debit_notes, store_debit_notes
from apps.billing.providers.disputing import answer, decide
from apps.billing.treasury.agreeing import NotAgreed, agree, take_back
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import User
from tests.billing.treasury_of_tests import operator

pytestmark = pytest.mark.django_db

RATED, ASKED = Decimal("0.000226"), Decimal("0.000326")
LARGE = ASKED - RATED
LIMIT = LARGE / 2


@pytest.fixture
def anna(settings: Any) -> User:
    settings.HIVE_APPROVAL_ABOVE_GLM = LIMIT
    return user_of(operator("anna"))


@pytest.fixture
def bert(anna: User) -> User:
    return user_of(operator("bert"))


def user_of(actor: Actor) -> User:
    return User.objects.get(username=actor.name)


@pytest.fixture
def invoice(meter: Any, node: Any, team: Any, now: Any) -> Invoice:
    """Over 0.000226 GLM."""
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    return draw_up_invoice(team=team, actor=Actor("user", "clerk"), until=now)


@pytest.fixture
def dispute(meter: Any, node: Any) -> Dispute:
    """Over 0.0001 GLM."""
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    store_debit_notes(node_id=node.id, notes=[meter.note(str(ASKED))])
    review_debit_notes()
    return Dispute.objects.get()


def write(invoice: Invoice, by: User, net_glm: Decimal) -> CreditNote:
    return credit(invoice, net_glm=net_glm, actor=Actor.user(by), reason="slow")


def say_yes(given: Invoice | Dispute, by: User, upto_glm: Decimal = Decimal(1)) -> Approval:
    return agree(given, user=by, upto_glm=upto_glm, reason="looked at it")


# -- credit notes -----------------------------------------------------------------------------------------


def test_one_credits_up_to_the_limit_in_all(invoice: Invoice, anna: User, bert: User) -> None:
    assert write(invoice, anna, LIMIT / 2).approvals_needed == 0
    assert write(invoice, anna, LIMIT / 2).approvals_needed == 0
    told = r"0.00005\d+ GLM in all are above 0.00005 GLM: 2 operators have to agree. .* first: bert can$"
    with pytest.raises(NotAgreed, match=told):
        write(invoice, anna, Decimal("0.000000000000000001"))
    assert balance(house_account(AccountKind.FEES)) == -LIMIT
    assert not Approval.objects.exists()


def test_two_credit_what_is_large(invoice: Invoice, anna: User, bert: User) -> None:
    say_yes(invoice, bert, LARGE)
    note = write(invoice, anna, LARGE)
    assert (note.approvals_needed, balance(house_account(AccountKind.FEES))) == (2, -LARGE)
    said = [(each.user.username, each.upto_glm) for each in Approval.objects.order_by("id")]
    assert said == [("bert", LARGE), ("anna", LARGE)]
    assert AuditLine.objects.filter(noun="invoice", after="agreed").count() == 2
    with pytest.raises(NotAgreed, match="bert can"):
        write(invoice, anna, LIMIT)  # more, in all, than was agreed to
    assert check_ledger() == []


def test_it_counts_nobody_twice(invoice: Invoice, anna: User, bert: User) -> None:
    for _ in range(2):
        say_yes(invoice, anna)
    with pytest.raises(NotAgreed):
        write(invoice, anna, LARGE)


@pytest.mark.parametrize("why", ["no permission", "no staff", "too long ago"])
def test_it_counts_those_who_may_still(
    invoice: Invoice, anna: User, bert: User, settings: Any, why: str
) -> None:
    say_yes(invoice, bert)
    if why == "no permission":
        bert.user_permissions.clear()
    elif why == "no staff":
        User.objects.filter(pk=bert.pk).update(is_staff=False)
    else:
        settings.HIVE_APPROVAL_HOURS = 0
    with pytest.raises(NotAgreed):
        write(invoice, anna, LARGE)


def test_a_word_is_taken_back(invoice: Invoice, anna: User, bert: User) -> None:
    for none_yet in (invoice, invoice):
        with pytest.raises(NotAgreed, match="no word to take back"):
            take_back(none_yet, user=bert, reason="too soon")
    say_yes(invoice, anna)
    say_yes(invoice, bert)
    take_back(invoice, user=bert, reason="looked again")
    with pytest.raises(NotAgreed, match="bert can"):
        write(invoice, anna, LARGE)
    refused(NOTE, invoice.pk, because="needs the word of 2 operators")
    with pytest.raises(NotAgreed, match="no word to take back"):
        take_back(invoice, user=bert, reason="once more")
    say_yes(invoice, bert)
    assert write(invoice, anna, LARGE).approvals_needed == 2
    told = AuditLine.objects.filter(noun="invoice", after="taken back")
    assert [(line.actor, line.reason) for line in told] == [("user:bert", "looked again")]


def test_a_higher_limit_leaves_later_credits_to_one(
    invoice: Invoice, anna: User, bert: User, settings: Any
) -> None:
    """Each note says by itself how many had to agree."""
    say_yes(invoice, bert)
    assert write(invoice, anna, LARGE).approvals_needed == 2
    settings.HIVE_APPROVAL_ABOVE_GLM = Decimal(1)
    assert write(invoice, anna, LARGE).approvals_needed == 0


def test_it_says_when_nobody_else_can(invoice: Invoice, anna: User) -> None:
    with pytest.raises(NotAgreed, match="Nobody else can: give another operator the permission"):
        write(invoice, anna, LARGE)


def test_nobody_agrees_to_a_credit_of_their_own_team(invoice: Invoice, anna: User, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True, is_superuser=True)
    owner.refresh_from_db()
    with pytest.raises(NotAgreed, match="it goes to a team of yours"):
        say_yes(invoice, owner)
    with pytest.raises(NotAgreed, match="2 operators have to agree"):
        write(invoice, owner, LARGE)
    refused(SAY, invoice.pk, None, owner.pk, because="what their own team is credited")


def test_without_a_limit_nobody_is_asked(invoice: Invoice, anna: User, settings: Any) -> None:
    settings.HIVE_APPROVAL_ABOVE_GLM = None
    assert write(invoice, anna, LARGE).approvals_needed == 0


# -- disputes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [decide, answer])
def test_two_grant_what_is_large(dispute: Dispute, node: Any, anna: User, bert: User, verb: Any) -> None:
    grant = {"user": anna, "figure_glm": ASKED, "text": "You are right."}
    with pytest.raises(NotAgreed, match=r"0.0001 GLM in all .* first: bert can$"):
        verb(dispute, **grant)
    dispute.refresh_from_db()
    assert (dispute.granted_glm, dispute.messages.count()) == (0, 0)
    say_yes(dispute, bert, LARGE)
    verb(dispute, **grant)
    dispute.refresh_from_db()
    assert (dispute.granted_glm, dispute.approvals_needed) == (LARGE, 2)
    assert balance(payable_account(node)) == (ASKED if verb is decide else RATED)


def test_one_grants_what_is_not_large(dispute: Dispute, anna: User) -> None:
    decide(dispute, user=anna, figure_glm=RATED + LIMIT, text="Half of it.")
    assert (dispute.granted_glm, dispute.approvals_needed) == (LIMIT, 0)


@pytest.mark.parametrize("limit", [None, Decimal(1)])
def test_what_took_two_takes_two_whatever_the_limit(
    dispute: Dispute, anna: User, bert: User, settings: Any, limit: Decimal | None
) -> None:
    """PostgreSQL goes on counting: whoever has too few words is told who else can agree."""
    say_yes(dispute, bert, LIMIT + LIMIT / 2)
    answer(dispute, user=anna, figure_glm=RATED + LIMIT + LIMIT / 2, text="Most of it.")
    settings.HIVE_APPROVAL_ABOVE_GLM = limit
    told = r"0.0001 GLM in all are granted where operators had to agree before: 2 operators .*: bert can$"
    with pytest.raises(NotAgreed, match=told):
        decide(dispute, user=anna, figure_glm=ASKED, text="All of it.")
    say_yes(dispute, bert)
    decide(dispute, user=anna, figure_glm=ASKED, text="All of it.")
    assert (dispute.granted_glm, dispute.approvals_needed) == (LARGE, 2)


def test_a_word_on_a_grant_is_taken_back(dispute: Dispute, anna: User, bert: User) -> None:
    say_yes(dispute, anna)
    say_yes(dispute, bert)
    take_back(dispute, user=bert, reason="looked again")
    with pytest.raises(NotAgreed, match="bert can"):
        decide(dispute, user=anna, figure_glm=ASKED, text="You are right.")
    refused(GRANT, because="needs the word of 2 operators")


def test_nobody_agrees_to_a_grant_of_their_own_node(dispute: Dispute, node: Any, anna: User) -> None:
    User.objects.filter(pk=node.owner_id).update(is_staff=True, is_superuser=True)
    with pytest.raises(NotAgreed, match="this Bee is your own"):
        say_yes(dispute, User.objects.get(pk=node.owner_id))
    refused(SAY, None, dispute.pk, node.owner_id, because="what their own node is granted")


# -- plain SQL --------------------------------------------------------------------------------------------

SAY = """
    INSERT INTO billing_approval (invoice_id, dispute_id, user_id, verdict, upto_glm, reason, at)
    VALUES (%s, %s, %s, 'approved', 1, '', now())
"""
NOTE = """
    INSERT INTO billing_creditnote (id, number, invoice_id, reason, net_glm, tax_glm, total_glm, taxes,
        issued_at, signature, approvals_needed)
    VALUES (gen_random_uuid(), 'CN-1', %s, '', 0.0001, 0, 0.0001, '[]', now(), '', 2)
"""
GRANT = "UPDATE billing_dispute SET granted_glm = 0.0001, approvals_needed = 2"


def refused(sql: str, *parameters: object, because: str) -> None:
    with pytest.raises(DatabaseError, match=because), transaction.atomic():
        connection.cursor().execute(sql, parameters)


def test_its_words_are_kept_by_the_database(invoice: Invoice, anna: User, teammate: User) -> None:
    refused(SAY, invoice.pk, None, teammate.pk, because="operators alone approve")
    refused(SAY, None, None, anna.pk, because="approval_is_of_one_thing")
    say_yes(invoice, anna)
    refused("UPDATE billing_approval SET upto_glm = 9", because="it is an operator's word")
    refused("DELETE FROM billing_approval", because="it is an operator's word")


def test_a_credit_is_counted_by_the_database(invoice: Invoice, anna: User, bert: User) -> None:
    refused(NOTE, invoice.pk, because="needs the word of 2 operators")
    say_yes(invoice, anna)
    say_yes(invoice, bert, LARGE / 2)
    refused(NOTE, invoice.pk, because="needs the word of 2 operators")
    say_yes(invoice, bert, LARGE)
    connection.cursor().execute(NOTE, [invoice.pk])


def test_a_grant_is_counted_by_the_database(dispute: Dispute, anna: User, bert: User) -> None:
    say_yes(dispute, anna)
    refused(GRANT, because="needs the word of 2 operators")
    say_yes(dispute, bert)
    connection.cursor().execute(GRANT)
    refused("UPDATE billing_dispute SET approvals_needed = 0", because="never falls")


# -- in the admin -----------------------------------------------------------------------------------------


def as_superuser(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(username=name))
    return client


def press(client: Client, model: str, verb: str, row: Any) -> str:
    data = {"action": verb, "_selected_action": [str(row.pk)]}
    return client.post(reverse(f"admin:billing_{model}_changelist"), data, follow=True).content.decode()


def test_it_is_done_in_the_admin(invoice: Invoice, anna: User) -> None:
    root, boss = as_superuser("root"), as_superuser("boss")
    assert "anna or root can" in press(boss, "invoice", "credit_all", invoice)
    add = {"invoice": str(invoice.pk), "net_glm": "0.0001", "reason": "slow"}
    page = boss.post(reverse("admin:billing_creditnote_add"), add)
    assert "Another one agrees in the admin first: anna or root can" in page.content.decode()
    press(root, "invoice", "agree", invoice)
    assert boss.post(reverse("admin:billing_creditnote_add"), add).status_code == 302
    assert CreditNote.objects.get().approvals_needed == 2
    page = root.get(reverse("admin:billing_approval_changelist"))
    assert invoice.number in page.content.decode()


def test_it_agrees_to_grants_in_the_admin(dispute: Dispute, anna: User) -> None:
    press(as_superuser("root"), "dispute", "agree", dispute)
    assert Approval.objects.get().upto_glm == LARGE
    decide(dispute, user=anna, figure_glm=ASKED, text="You are right.")
    assert dispute.approvals_needed == 2


def test_it_is_taken_back_in_the_admin(dispute: Dispute, anna: User) -> None:
    root = as_superuser("root")
    assert "no word to take back" in press(root, "dispute", "take_back", dispute)
    press(root, "dispute", "agree", dispute)
    press(root, "dispute", "take_back", dispute)
    assert Approval.objects.latest("id").verdict == "refused"
    with pytest.raises(NotAgreed, match="root can"):
        decide(dispute, user=anna, figure_glm=ASKED, text="You are right.")


def test_it_is_over_in_the_admin(dispute: Dispute, anna: User) -> None:
    decide(dispute, user=anna, figure_glm=RATED + LIMIT, text="Half of it.")
    assert "it is over" in press(as_superuser("root"), "dispute", "agree", dispute)
