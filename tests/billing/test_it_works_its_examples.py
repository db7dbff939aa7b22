"""The worked examples of docs/billing.md come out as it says, to the last digit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agent import protocol
from apps.billing.budgets.capping import CapReached, cap_of, change_cap
from apps.billing.budgets.holding import place_hold
from apps.billing.budgets.opening import open_budget
from apps.billing.chain.client import chain
from apps.billing.chain.proof import prove_books
from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_json
from apps.billing.ledger.posting import balance, check_ledger, house_account, payable_account
from apps.billing.models import (
    AccountKind,
    BillingDetails,
    Budget,
    BudgetCap,
    DebitNote,
    Dispute,
    EdgeTraffic,
    Invoice,
    Transaction,
    TransactionKind,
    UsageRecord,
)
from apps.billing.providers.debit_notes import review_debit_notes, store_debit_notes
from apps.billing.providers.disputing import decide, object_to
from apps.billing.statements.statement import statement_of
from apps.billing.treasury.batching import may_batch
from apps.billing.treasury.gas import check_coin, gas_book
from apps.billing.treasury.settlement import pay_providers
from apps.billing.wallets.proving import register_wallet
from apps.deployments import funding
from apps.nodes.models import Node
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor
from apps.teams.models import Team, User
from hive_client.proving import prove
from tests.billing.chain_of_tests import FINALITY, Anvil
from tests.billing.treasury_of_tests import WALLET, look_again
from tests.billing.worked_examples import GIB, Figures, Shop, heard, meter_of, whole_hours_ago
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")
GIVEN, THEN, CREDITED = 0, 1, 2


@pytest.fixture
def first() -> Iterator[Figures]:
    yield from every_figure("Example 1")


@pytest.fixture
def second() -> Iterator[Figures]:
    yield from every_figure("Example 2")


@pytest.fixture
def third() -> Iterator[Figures]:
    yield from every_figure("Example 3")


def every_figure(title: str) -> Iterator[Figures]:
    figures = Figures(title)
    yield figures
    assert figures.untested == []


@pytest.fixture
def price() -> protocol.Price:
    given = Figures("Example 1")
    return protocol.Price(
        start_glm=given("start price", table=GIVEN),
        second_glm=given("price of a second", table=GIVEN),
        cpu_second_glm=given("price of a CPU second", table=GIVEN),
        egress_gib_glm=given("price of a GiB", table=GIVEN),
    )


Opens = Callable[..., Shop]


@pytest.fixture
def open_shop(
    team: Team, node: Node, make_offer: Any, make_agreement: Any, bee_key: Any, price: protocol.Price
) -> Opens:
    """`open_shop(budget, at=, lease=, cap=None, on=None)`: at the page's prices, the first lease held.

    `on` is a node and its key, where it is another than `node`.
    """
    percent = str(Figures("Example 1")("VAT", table=GIVEN))
    threads = Figures("Example 1")("CPU threads rented", table=GIVEN)
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": percent}])

    def opens(
        budget: Budget,
        *,
        at: datetime,
        lease: timedelta,
        cap: BudgetCap | None = None,
        on: tuple[Node, Any] = (node, bee_key),
    ) -> Shop:
        Team.objects.filter(pk=team.pk).update(created_at=at)
        machine, key = on
        agreement = make_agreement(
            make_offer(machine, price=price), key, valid_from=at, approved_at=at, cpu_threads=threads
        )
        amount_glm = funding.cost_glm(
            price_per_hour_glm=agreement.price_per_hour_glm, span=lease, start_glm=price.start_glm
        )
        hold = place_hold(
            budget=budget,
            reference=f"replica:{machine.pk}:1",
            amount_glm=amount_glm,
            until=at + lease,
            cap=cap,
        )
        hold.agreement = agreement
        hold.save(update_fields=["agreement"])
        return Shop(agreement, hold, meter_of(agreement, key), lease)

    return opens


def drawn_up(team: Team) -> Invoice:
    return draw_up_invoice(team=team, actor=CLERK, until=timezone.now())


# -- 1: a web service for a month -------------------------------------------------------------------------


def test_a_web_service_for_a_month(
    first: Figures, team: Team, node: Node, price: protocol.Price, open_shop: Opens, fund: Any
) -> None:
    for name in ("start price", "price of a second", "price of a CPU second", "price of a GiB"):
        first(name, table=GIVEN)  # they are what the shop was opened at
    for name in ("CPU threads rented", "VAT"):
        first(name, table=GIVEN)
    hours, day = int(first("hours", table=GIVEN)), timedelta(days=1)
    began = whole_hours_ago(hours)
    gap_at = began + timedelta(hours=200)
    heard(
        node,
        since=began,
        silent_from=gap_at,
        silent_s=int(first("seconds not heard in one hour", table=GIVEN)),
    )
    budget = open_budget(team)
    fund(budget, first("paid in", table=GIVEN))
    shop = open_shop(budget, at=began, lease=day)
    assert shop.agreement.price_per_hour_glm == first("rate that is held for, per hour", table=THEN)
    assert shop.hold.amount == first("held at first", table=THEN)
    edge_bytes = int(first("traffic by the edge's count", table=GIVEN) * GIB)
    EdgeTraffic.objects.create(agreement=shop.agreement, minute=began, egress_bytes=edge_bytes)

    topped_up = list(live(first, shop, hours=hours))
    assert topped_up[0] == first("topped up at the first renewal", table=THEN)
    costs = list(shop.costs())
    assert costs[1] == first("cost of a usual hour", table=THEN)
    assert costs[200] == first("cost of the hour with the gap", table=THEN)
    assert costs[100] - costs[1] == first("cost of the traffic", table=THEN)
    assert shop.hold.posted == sum(costs) == first("posted in all", table=THEN)
    assert shop.end() == first("given back at the end", table=THEN)

    invoice = drawn_up(team)
    assert invoice.net_glm == first("used, on the invoice", table=THEN)
    assert invoice.tax_glm == first("VAT, on the invoice", table=THEN)
    assert invoice.total_glm == first("total of the invoice", table=THEN)
    assert invoice.due_glm == first("still to pay", table=THEN)
    assert prove(as_json(invoice)).reports == hours == 720
    now = timezone.now()
    told = statement_of(budget, start=now - timedelta(days=1), end=now + timedelta(seconds=1))
    assert told.closing_glm == budget.available_glm == first("closing balance of the statement", table=THEN)
    assert (told.adds_up, check_ledger()) == (True, [])


def live(first: Figures, shop: Shop, *, hours: int) -> Iterator[Decimal]:
    """Report each hour, be renewed each third of a lease; yields what each renewal added."""
    reports = hourly(first, shop, hours=hours)
    while third := list(itertools.islice(reports, 8)):
        shop.uses(*third)
        if not third[-1].final:
            yield shop.renew()


def hourly(first: Figures, shop: Shop, *, hours: int) -> Iterator[protocol.Usage]:
    cpu_ms = int(first("CPU seconds used in each hour", table=GIVEN) * 1000)
    by_machine = int(first("traffic by the machine's count", table=GIVEN) * GIB)
    for hour in range(hours):
        yield shop.meter.report(
            ended_at_ms=shop.meter.clock_ms + 3_600_000,
            running_ms=3_600_000,
            cpu_ms=cpu_ms,
            egress_bytes=by_machine if hour == 100 else 0,
            final=hour == hours - 1,
        )


# -- 2: a budget that ends --------------------------------------------------------------------------------


def ten_hours(second: Figures, shop: Shop) -> int:
    """Use all that the cap pays for, and a report more. Returns how often the lease was renewed."""
    renewals, refused = 0, ""
    while not refused:
        shop.uses(report_of(second, shop))
        try:
            shop.renew()
            renewals += 1
        except CapReached as reached:
            refused = str(reached)
    assert refused in second.text
    assert shop.hold.deadline_at is not None
    while shop.now < shop.hold.deadline_at:
        shop.uses(report_of(second, shop))
    shop.uses(report_of(second, shop, final=True))
    return renewals


def report_of(second: Figures, shop: Shop, **fields: Any) -> protocol.Usage:
    running_ms = int(second("seconds of a report", table=GIVEN) * 1000)
    cpu_ms = int(second("CPU seconds of a report", table=GIVEN) * 1000)
    ended_at_ms = shop.meter.clock_ms + running_ms
    return shop.meter.report(ended_at_ms=ended_at_ms, running_ms=running_ms, cpu_ms=cpu_ms, **fields)


def capped_shop(second: Figures, budget: Budget, node: Node, open_shop: Opens) -> Shop:
    began = whole_hours_ago(12)
    heard(node, since=began)
    cap = cap_of(budget, "deployment:1", name="web")
    limit_glm = second("cap of the deployment", table=GIVEN)
    cap = change_cap(cap, limit_glm=limit_glm, per="in all", at_end="stop", actor=CLERK)
    return open_shop(budget, at=began, lease=timedelta(hours=1), cap=cap)


def test_a_budget_that_ends(second: Figures, team: Team, node: Node, open_shop: Opens, fund: Any) -> None:
    budget = open_budget(team)
    fund(budget, second("paid in", table=GIVEN))
    shop = capped_shop(second, budget, node, open_shop)
    assert shop.hold.amount == second("held for the first hour", table=THEN)
    assert ten_hours(second, shop) == second("renewals", table=THEN)
    *_, last = UsageRecord.objects.order_by("sequence")
    assert list(shop.costs())[1] == second("cost of a report", table=THEN)
    assert (last.cost_glm, last.billed_running_ms) == (second("billed of the last report", table=THEN), 0)
    assert "the lease covers 0" in last.reduced_because
    assert shop.hold.posted == second("posted in all", table=THEN)
    assert shop.end() == 0, "all of it is used"
    left_glm = BudgetCap.objects.get().left_glm
    assert left_glm == second("left of the cap", table=THEN)

    invoice = drawn_up(team)
    assert invoice.tax_glm == second("VAT, on the invoice", table=THEN)
    assert invoice.total_glm == second("total of the invoice", table=THEN)
    assert budget.available_glm == second("available after it", table=THEN)
    note = credit(
        invoice, net_glm=second("of what was used", table=CREDITED), actor=CLERK, reason="one hour was slow"
    )
    assert note.tax_glm == second("of the VAT", table=CREDITED)
    assert note.total_glm == second("total of the credit note", table=CREDITED)
    assert budget.available_glm == second("available after it", table=CREDITED)
    assert check_ledger() == []
    assert prove(as_json(invoice)).total_glm == invoice.total_glm
    assert prove(as_json(note)).total_glm == note.total_glm


# -- 3: the machine's side --------------------------------------------------------------------------------


ASKED, BATCH, PROOF = 0, 1, 2


@pytest.mark.needs("chain")
def test_the_machines_side(
    third: Figures,
    team: Team,
    owner: User,
    node: Node,
    make_node: Any,
    anvil: Anvil,
    open_shop: Opens,
    settings: Any,
) -> None:
    second, key = Figures("Example 2"), key_of_bee(2)
    neighbour = make_node(key)
    wallet = register_wallet(team, WALLET.address)
    anvil.glm.deposit(WALLET, queen_address(), second("paid in", table=GIVEN))
    anvil.grow(FINALITY)
    shop = capped_shop(second, wallet.budget, node, open_shop)
    ten_hours(second, shop)
    shop.end()
    nightly = open_shop(wallet.budget, at=whole_hours_ago(2), lease=timedelta(hours=1), on=(neighbour, key))
    heard(neighbour, since=whole_hours_ago(12))
    nightly.uses(report_of(second, nightly, final=True))
    nightly.end()
    credit(drawn_up(team), net_glm=second("of what was used", table=CREDITED), actor=CLERK, reason="slow")

    they_agree(third, shop, owner)
    earned = str(third("earned by the second machine", table=ASKED))
    store_debit_notes(node_id=neighbour.id, notes=[nightly.meter.note(earned, final=True)])
    review_debit_notes()

    allow_batches(third, anvil, settings)
    payday(third, anvil)
    assert anvil.glm_of(node.id) == third("paid to the first machine", table=BATCH)
    assert anvil.glm_of(neighbour.id) == third("paid to the second machine", table=BATCH)
    assert anvil.glm_of(queen_address()) == third("left in the treasury", table=BATCH)
    assert {balance(payable_account(each)) for each in (node, neighbour)} == {
        third("payable after it", table=BATCH)
    }
    assert {note.state for note in DebitNote.objects.all()} == {"paid"}
    the_books_agree(third, wallet.budget)


def they_agree(third: Figures, shop: Shop, owner: User) -> None:
    """On half of what the machine's clock was fast by."""
    ask = str(third("asked by the final note", table=ASKED))
    store_debit_notes(node_id=shop.agreement.node_id, notes=[shop.meter.note(ask, final=True)])
    review_debit_notes()
    dispute = Dispute.objects.get()
    assert dispute.rated_glm == third("rated", table=ASKED)
    assert dispute.open_glm == third("difference", table=ASKED)
    object_to(dispute, user=owner, text="It ran all the time: see its journal.")
    operator = User.objects.create_superuser(username="otto", password="otto-password")
    decide(dispute, user=operator, figure_glm=third("decided", table=ASKED), text="Half of it each.")
    assert dispute.granted_glm == third("granted by the Hive", table=ASKED)


def allow_batches(third: Figures, anvil: Anvil, settings: Any) -> None:
    """The contract gets its allowance, which the treasury asks for once, and pays for."""
    settings.HIVE_MULTI_TRANSFER = anvil.glm.deploy_multi_transfer()
    anvil.ask_for_gas(third("base fee of a unit of gas", table=BATCH))
    assert not may_batch(chain(), total_glm=Decimal(1)), "not before a block has it"
    finish(anvil)
    [allowance] = Transaction.objects.all()
    costs(third, allowance, "the allowance")


def payday(third: Figures, anvil: Anvil) -> None:
    anvil.ask_for_gas(third("base fee of a unit of gas", table=BATCH))
    paid = pay_providers(minimum_glm=Decimal(0))
    finish(anvil)
    [batch] = Transaction.objects.exclude(kind=TransactionKind.ALLOWANCE)
    assert {payment.transaction for payment in paid} == {batch}, "one transaction for both"
    assert len(paid) == third("payments in the batch", table=BATCH)
    assert sum(payment.amount for payment in paid) == third("paid by the batch", table=BATCH)
    costs(third, batch, "the batch")


def finish(anvil: Anvil) -> None:
    """Until it is final, and its gas is booked."""
    for _ in range(2):
        look_again()
        anvil.grow(FINALITY)
    watch_chain()


def costs(third: Figures, done: Transaction, name: str) -> None:
    done.refresh_from_db()
    receipt = chain().receipt(done.tx_hash)
    fee_gwei = third("base fee of a unit of gas", table=BATCH) + third("tip of a unit of gas", table=BATCH)
    units = third(f"units of gas for {name}", table=BATCH)
    assert receipt is not None
    assert (receipt.gas_used, receipt.gas_price_wei) == (units, fee_gwei.scaleb(9))
    assert done.gas_coin == third(f"cost of {name}", table=BATCH) == (units * fee_gwei).scaleb(-9)


def the_books_agree(third: Figures, budget: Budget) -> None:
    """In GLM, and in the chain's coin beside it."""
    check_coin()
    book = gas_book()
    assert book.brought_in_coin == third("brought in for gas", table=BATCH)
    assert book.spent_coin == third("spent on gas", table=BATCH)
    assert book.left_coin == third("left for gas", table=BATCH)
    assert chain().balance_coin(queen_address()) == book.left_coin
    assert prove_books() == []
    found = reconcile()
    assert found.chain_balance_glm == third("on the chain", table=PROOF)
    assert budget.available_glm == third("owed to the team", table=PROOF)
    assert balance(house_account(AccountKind.TAXES)) == third("owed to the tax office", table=PROOF)
    assert balance(house_account(AccountKind.FEES)) == third("the Hive's own fees", table=PROOF)
    assert found.difference_glm == third("difference", table=PROOF)
