"""What a Bee earned is what the ledger says, wherever its money is by now."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.billing.budgets.holding import place_hold
from apps.billing.ledger.posting import balance, house_account, payable_account, transfer
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, Hold, PaymentState, TransferKind
from apps.billing.providers.debit_notes import review_debit_notes, store_debit_notes
from apps.billing.providers.earnings import NOTHING, by_agreement, earnings_of, told
from apps.billing.treasury.following import confirm_transaction, fail_transaction, finish_transaction
from apps.nodes.models import NodeSession
from apps.teams.audit import Actor
from tests.billing.conftest import Meter, ms
from tests.billing.payments_of_tests import carried
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db
FIRST = Decimal("0.000226")
"""A minute at 0.1 CPU, with the price to start."""
MINUTE = Decimal("0.000126")


@pytest.fixture
def earn(node, meter):
    def one_minute():
        store_usage(node_id=node.id, reports=[meter.report()])
        assert rate_usage() == 1

    return one_minute


def pay(node):
    """As settlement does, without the chain: the payment and its entry in one go."""
    account = payable_account(node)
    amount = balance(account)
    payment = carried(node=node, recipient=node.pk, amount=amount)
    transfer(
        key=f"payout:{payment.id}",
        kind=TransferKind.PAYOUT,
        debit=account,
        credit=house_account(AccountKind.IN_FLIGHT),
        amount_glm=amount,
    )
    return payment


def adds_up(node):
    """The figures, once they are seen to agree with the ledger and with each other."""
    earned = earnings_of([node.pk])[node.pk]
    account = payable_account(node)
    posted = sum(each.amount for each in account.credits.filter(kind=TransferKind.USAGE))
    assert earned.total_glm == posted
    assert earned.pending_glm == balance(account)
    assert earned.total_glm == earned.paid_glm + earned.on_the_way_glm + earned.pending_glm
    return earned


def test_it_earned_nothing_at_first(node):
    assert earnings_of([node.pk]) == {node.pk: NOTHING}
    assert earnings_of([]) == {}


def test_it_counts_what_was_rated(node, earn):
    earn()
    earn()
    earned = adds_up(node)
    assert earned.today_glm == earned.month_glm == earned.pending_glm == FIRST + MINUTE


def test_it_follows_the_money_to_the_chain(node, earn):
    earn()
    payment = pay(node)
    assert adds_up(node).on_the_way_glm == FIRST
    confirm_transaction(payment.transaction, tx_hash=payment.tx_hash, block_number=3)
    earn()
    earned = adds_up(node)
    assert (earned.on_the_way_glm, earned.pending_glm) == (FIRST, MINUTE)
    finish_transaction(payment.transaction)
    earned = adds_up(node)
    assert (earned.paid_glm, earned.on_the_way_glm, earned.pending_glm) == (FIRST, 0, MINUTE)


def test_it_earns_nothing_twice_when_a_payment_fails(node, earn):
    earn()
    payment = pay(node)
    fail_transaction(payment.transaction, reason="refused by the token")
    payment.refresh_from_db()
    assert payment.state == PaymentState.FAILED
    earned = adds_up(node)
    assert (earned.total_glm, earned.pending_glm, earned.paid_glm) == (FIRST, FIRST, 0)


def test_it_tells_days_apart(node, earn):
    earn()
    tomorrow = timezone.now() + timedelta(days=1)
    later = timezone.now() + timedelta(days=31)
    assert earnings_of([node.pk], now=tomorrow)[node.pk].today_glm == 0
    assert earnings_of([node.pk], now=tomorrow)[node.pk].month_glm == FIRST
    assert earnings_of([node.pk], now=later)[node.pk].month_glm == 0
    assert earnings_of([node.pk], now=later)[node.pk].total_glm == FIRST


@pytest.fixture
def neighbour(make_node, make_offer, make_agreement, budget, now):
    """Another Bee of the same owner, which earned for one minute."""
    other = make_node(key_of_bee(2))
    agreement = make_agreement(make_offer(other), key_of_bee(2), approved_at=now - timedelta(hours=1))
    NodeSession.objects.create(node=other, opened_at=now - timedelta(hours=2), last_seen_at=now, channel="o")
    placed = place_hold(
        budget=budget, reference="other", amount_glm=Decimal(1), until=now + timedelta(hours=1)
    )
    Hold.objects.filter(pk=placed.pk).update(agreement=agreement)
    report = Meter(str(agreement.pk), key_of_bee(2), ms(agreement.approved_at)).report()
    store_usage(node_id=other.pk, reports=[report])
    rate_usage()
    return other


def test_it_asks_as_many_questions_for_two_as_for_one(node, earn, neighbour, django_assert_num_queries):
    earn()
    with django_assert_num_queries(3):
        earned = earnings_of([node.pk, neighbour.pk])
    assert adds_up(node) == earned[node.pk]
    assert adds_up(neighbour) == earned[neighbour.pk]
    assert (earned[node.pk] + earned[neighbour.pk]).total_glm == 2 * FIRST


def test_it_tells_what_each_agreement_brought(node, earn, meter, neighbour, django_assert_num_queries):
    earn()
    store_debit_notes(node_id=node.pk, notes=[meter.note("0.001")])
    review_debit_notes()
    since = timezone.now() - timedelta(days=30)
    with django_assert_num_queries(1):
        rows = [told(each) for each in by_agreement([node.pk, neighbour.pk], since=since)]
    mine = next(row for row in rows if row.agreement.node_id == node.pk)
    assert (mine.earned_glm, mine.asked_glm, mine.note_state) == (FIRST, Decimal("0.001"), "disputed")
    assert "too much" in mine.note_reason
    assert sum(row.earned_glm for row in rows) == sum(
        balance(payable_account(each)) for each in (node, neighbour)
    )


def test_it_leaves_out_agreements_that_ended_long_ago(node, earn, agreement):
    earn()
    assert [each.pk for each in by_agreement([node.pk], since=timezone.now())] == [agreement.pk]
    agreement.move_to(
        "terminated", actor=Actor.queen("test"), reason="over", ended_at=timezone.now() - timedelta(days=2)
    )
    assert not by_agreement([node.pk], since=timezone.now() - timedelta(days=1)).exists()
