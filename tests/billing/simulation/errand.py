"""One whole cycle of money, as stages that a new process can take up again: what a Bee has not seen
acknowledged it sends again, what people see undone they ask for again, and the regular work goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from apps.billing.budgets.holding import extend_hold
from apps.billing.invoicing.crediting import credit
from apps.billing.metering.intake import store_usage
from apps.billing.models import Hold, Invoice, Withdrawal, WithdrawalState
from apps.billing.providers.debit_notes import store_debit_notes
from apps.billing.wallets.withdrawing import confirm_withdrawal, request_withdrawal
from apps.market.negotiating.agreements import terminate
from tests.billing.chain_of_tests import FINALITY
from tests.billing.simulation.workers import regular_work
from tests.billing.simulation.world import OPERATOR, World

Stage = Callable[[], None]
RICH, TAXED = 0, 1
"""The team that works, and withdraws; it is taxed too."""


class Errand:
    """Its world has an agreement with its money held, three signed reports and a final one, and two notes:
    an honest one and one that asks too much."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.live(())
        world.deposit(TAXED, 4_000)
        world.grow(FINALITY)
        world.begin(TAXED, 0, 5)
        [self.contract] = world.contracts
        begun = world.now
        for part in range(3):
            started = _ms(begun) + part * 3_600_000
            self.contract.report(started, started + 3_600_000)
        self.contract.report(_ms(begun) + 3 * 3_600_000, _ms(begun) + 3 * 3_600_000, final=True)
        self.reports = self.contract.told
        first, last = self.reports[1].hash, self.reports[-1].hash
        self.notes = [
            self.contract.meter.note("0.1", sequence=1, usage_hash=first),
            self.contract.meter.note("9.75", sequence=2, usage_hash=last, final=True),
        ]
        world.deposit(TAXED, 1_500)
        world.stray(700)

    def stages(self) -> list[tuple[str, timedelta, Stage]]:
        """Name, how much time passes before it, and what is done."""
        hour, minute = timedelta(hours=1), timedelta(minutes=1)
        return [
            ("usage is taken in, rated and paid for", 2 * hour, self.report_and_ask),
            ("the lease is renewed", hour, self.renew),
            ("a team withdraws", minute, self.withdraw),
            ("the chain grows", minute, self.grow),
            ("the agreement ends", minute, self.end),
            ("the chain grows on", minute, self.grow),
            ("the grace is over", hour, self.grow),
            ("the month ends", timedelta(days=31), self.work),
            ("something is credited", minute, self.credit),
            ("it rests", minute, self.grow),
        ]

    def work(self) -> None:
        for task in regular_work():
            task()

    def grow(self) -> None:
        self.world.anvil.mine(FINALITY)
        self.work()

    def report_and_ask(self) -> None:
        store_usage(node_id=self.contract.node_id, reports=self.reports[:2])
        store_debit_notes(node_id=self.contract.node_id, notes=self.notes[:1])
        self.work()

    def renew(self) -> None:
        hold = Hold.objects.get(pk=self.contract.hold.pk)
        extend_hold(hold, amount_glm=Decimal("0.5"), until=self.world.now + timedelta(hours=4))
        store_usage(node_id=self.contract.node_id, reports=self.reports[:3])
        self.work()

    def withdraw(self) -> None:
        """A person who finds their request unconfirmed confirms it, and asks for it once."""
        budget, address = self.world.budget(TAXED), self.world.purses[TAXED].address
        asked = Withdrawal.objects.first() or request_withdrawal(
            budget=budget, address=address, amount_glm=Decimal(3), actor=OPERATOR
        )
        if asked.state == WithdrawalState.REQUESTED:
            confirm_withdrawal(asked, actor=OPERATOR)
        self.work()

    def end(self) -> None:
        store_usage(node_id=self.contract.node_id, reports=self.reports)
        store_debit_notes(node_id=self.contract.node_id, notes=self.notes)
        self.contract.agreement.refresh_from_db()
        terminate(self.contract.agreement, actor=OPERATOR, reason="no longer needed")
        self.work()

    def credit(self) -> None:
        [invoice] = Invoice.objects.all()
        if not invoice.credit_notes.exists():
            credit(invoice, net_glm=Decimal("0.25"), actor=OPERATOR, reason="it was slow")
        self.work()


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
