"""One whole cycle of money, as stages that a new process can take up again: what a Bee has not seen
acknowledged it sends again, what people see undone they ask for again, and the regular work goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from apps.billing.budgets.holding import extend_hold
from apps.billing.invoicing.crediting import credit
from apps.billing.metering.intake import store_usage
from apps.billing.models import Hold, Invoice, Withdrawal, WithdrawalState
from apps.billing.providers.debit_notes import store_debit_notes
from apps.billing.wallets.withdrawing import confirm_withdrawal, request_withdrawal
from apps.market.negotiating.agreements import terminate
from tests.billing.chain_of_tests import FINALITY
from tests.billing.simulation.bees import Contract
from tests.billing.simulation.workers import regular_work
from tests.billing.simulation.world import OPERATOR, World

Stage = Callable[[], None]
TAXED = 1
"""The team that has them work, and withdraws: it pays taxes too."""


class Errand:
    """Two Bees work for a team, each under an agreement with its money held; both sign three reports and a
    final one, the first one also two debit notes: an honest one, and one that asks too much."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.live(())
        world.deposit(TAXED, 4_000)
        world.grow(FINALITY)
        for bee in range(2):
            world.begin(TAXED, bee, 5)
            self._report(world.contracts[bee])
        first = world.contracts[0]
        self.notes = [
            first.meter.note("0.1", sequence=1, usage_hash=first.told[1].hash),
            first.meter.note("9.75", sequence=2, usage_hash=first.told[-1].hash, final=True),
        ]
        world.deposit(TAXED, 1_500)
        world.stray(700)

    def _report(self, contract: Contract) -> None:
        """Signed before they are due, so that each process sends the same."""
        hour_ms, begun_ms = 3_600_000, int(self.world.now.timestamp() * 1000)
        for part in range(3):
            contract.report(begun_ms + part * hour_ms, begun_ms + (part + 1) * hour_ms)
        contract.report(begun_ms + 3 * hour_ms, begun_ms + 3 * hour_ms, final=True)

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
            ("the month ends", timedelta(days=31), self.work),
            ("something is credited", minute, self.credit),
            ("it rests", minute, self.grow),
        ]

    def work(self) -> None:
        for task in regular_work():
            task()

    def grow(self) -> None:
        """Operators have seen what waits for their approval by then."""
        self.world.approve_all()
        self.world.anvil.mine(FINALITY)
        self.work()

    def report_and_ask(self) -> None:
        self._send(2)
        store_debit_notes(node_id=self.world.contracts[0].node_id, notes=self.notes[:1])
        self.work()

    def renew(self) -> None:
        for contract in self.world.contracts:
            hold = Hold.objects.get(pk=contract.hold.pk)
            extend_hold(hold, amount_glm=Decimal("0.5"), until=self.world.now + timedelta(hours=4))
        self._send(3)
        self.work()

    def _send(self, reports: int) -> None:
        """A Bee that was not answered sends all again."""
        for contract in self.world.contracts:
            store_usage(node_id=contract.node_id, reports=contract.told[:reports])

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
        self._send(4)
        store_debit_notes(node_id=self.world.contracts[0].node_id, notes=self.notes)
        for contract in self.world.contracts:
            contract.agreement.refresh_from_db()
            terminate(contract.agreement, actor=OPERATOR, reason="no longer needed")
        self.work()

    def credit(self) -> None:
        [invoice] = Invoice.objects.all()
        if not invoice.credit_notes.exists():
            credit(invoice, net_glm=Decimal("0.25"), actor=OPERATOR, reason="it was slow")
        self.work()
