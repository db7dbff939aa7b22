"""The world of a story: a method for each verb of `story.NUMBERS`.

All that moves money is a verb of the house. What the house refuses, in its own words, is no part of the
books; the world goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import LazySettings
from time_machine import Traveller

from apps.billing import tasks
from apps.billing.budgets.cap import CapPeriod
from apps.billing.budgets.capping import change_cap
from apps.billing.budgets.holding import extend_hold, place_hold
from apps.billing.budgets.opening import open_budget
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import NothingToInvoice, draw_up_invoice
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.models import (
    Account,
    AccountKind,
    Budget,
    ChainTransfer,
    Dispute,
    EdgeTraffic,
    Hold,
    Invoice,
    Payment,
    PaymentState,
    Wallet,
)
from apps.billing.providers.disputes import OVER
from apps.billing.providers.disputing import decide, object_to
from apps.billing.treasury.approving import approve_payment, refuse_payment
from apps.billing.wallets.proving import WalletTaken
from apps.billing.wallets.stray import credit_stray_deposit, return_stray_deposit
from apps.billing.wallets.withdrawing import WithdrawalRefused, confirm_withdrawal, request_withdrawal
from apps.market.negotiating.agreements import terminate
from apps.money import round_glm
from apps.nodes.presence import link_closed, link_opened
from apps.nodes.queen import queen_address
from apps.teams.audit import Actor
from apps.teams.states import StateError
from tests.billing.chain_of_tests import FINALITY, Anvil
from tests.billing.conftest import Meter
from tests.billing.simulation.bees import Contract
from tests.billing.simulation.scene import PRICE, Scene
from tests.billing.simulation.story import OPERATORS, TEAMS, Day
from tests.billing.simulation.workers import side_by_side
from tests.billing.wallets_of_tests import proven
from tests.cast import agreed

ROUNDS = 6
NOWHERE = "http://127.0.0.1:9"
"""Where no node answers."""
OPERATOR = Actor("user", "otto")
REFUSALS = (InsufficientFunds, NothingToInvoice, StateError, WalletTaken, WithdrawalRefused, ValueError)
"""Words of the house for what can't be; anything else that is raised is a bug."""


class World(Scene):
    """Attributes that a test looks at: contracts, in the order of their beginning, and what was refused."""

    def __init__(self, anvil: Anvil, clock: Traveller, settings: LazySettings) -> None:
        super().__init__(anvil, clock, settings)
        self.contracts: list[Contract] = []
        self.refused: list[str] = []

    # -- the play -----------------------------------------------------------------------------------------

    def live(self, day: Day) -> None:
        """The day's acts, each of them done or refused; then the regular work, and the next morning."""
        for act in day:
            self.attempt(act.verb, *act.numbers)
        self.work_regularly()
        if self.has_trouble:
            self._mend()
            self.work_regularly()
        self.skew = timedelta(0)
        self.pass_time(max(self._next_morning() - self.now, timedelta(minutes=1)))

    def attempt(self, verb: str, *numbers: int) -> None:
        try:
            getattr(self, verb)(*numbers)
        except REFUSALS as refusal:
            self.refused.append(f"{verb}: {refusal}")

    # -- its end ------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Everything is ended and waited for, until nothing moves; then the next month begins."""
        for contract in self.contracts:
            if not contract.is_over:
                self.end(0)
        self.pass_time(timedelta(seconds=self.settings.HIVE_USAGE_GRACE_S + 60))
        for _ in range(ROUNDS):
            self._round()
            if self._is_at_rest():
                break
        for _ in range(2):  # a clock that was ahead ended a month too early: the rest is on the next invoice
            month = self.now.replace(day=1, hour=1) + timedelta(days=32)
            self.pass_time(month.replace(day=1) - self.now)
            self._round()

    def _round(self) -> None:
        self.approve_all()
        self.anvil.mine(FINALITY)
        self.pass_time(timedelta(minutes=2))
        self.work_regularly()

    def _is_at_rest(self) -> bool:
        over = PaymentState.FINAL, PaymentState.FAILED
        return not (
            Hold.objects.filter(state="held").exists()
            or Payment.objects.exclude(state__in=over).exists()
            or Account.objects.filter(kind=AccountKind.PAYABLE, guarded_balance__gt=0).exists()
        )

    # -- markets ------------------------------------------------------------------------------------------

    def begin(self, team: int, bee: int, hours: int) -> None:
        number = len(self.contracts) + 1
        until = self.now + timedelta(hours=hours)
        hold = place_hold(
            budget=self.budget(team),
            reference=f"replica:{number}",
            amount_glm=self._rent(hours) + PRICE.start_glm,
            until=until,
            per_hour_glm=self._rent(1),
            cap=self.caps[team],
        )
        agreement = agreed(
            self.offers[bee],
            self.keys[bee],
            team=self.teams[team],
            id=uuid.uuid5(uuid.NAMESPACE_OID, f"agreement {number}"),
            reference=f"demand {number}",
            valid_from=self.now,
            approved_at=self.now,
        )
        Hold.objects.filter(pk=hold.pk).update(agreement=agreement)
        meter = Meter(str(agreement.pk), self.keys[bee], _ms(self.now))
        self.contracts.append(Contract(agreement, hold, meter, bee))

    def renew(self, which: int, hours: int) -> None:
        contract = self._contract(which)
        until = self.now + timedelta(hours=hours)
        extend_hold(contract.hold, amount_glm=self._rent(hours), until=until)

    def end(self, which: int) -> None:
        """In order: the last report is the final one."""
        contract = self._contract(which)
        contract.report(_ms(self.now), _ms(self.now), final=True)
        contract.send()
        self._terminate(contract, reason="no longer needed")

    def be_gone(self, which: int) -> None:
        """The Bee never comes back: what it has not sent is lost."""
        contract = self._contract(which)
        del contract.told[len(contract.told) - len(contract.unsent) :]
        contract.unsent.clear()
        self._terminate(contract, reason="its bee is gone")

    def _terminate(self, contract: Contract, *, reason: str) -> None:
        contract.is_over = True
        contract.agreement.refresh_from_db()
        terminate(contract.agreement, actor=Actor.queen("simulation"), reason=reason)

    # -- Bees ---------------------------------------------------------------------------------------------

    def work(self, which: int, minutes: int) -> Contract:
        """An honest report over so many minutes, which pass meanwhile; the lease is renewed while funded."""
        contract, until = self._contract(which), self.now + timedelta(minutes=minutes)
        with suppress(InsufficientFunds, StateError):
            extend_hold(contract.hold, amount_glm=self._rent(minutes // 60 + 1), until=until)
        self._work(which, minutes)
        contract.send()
        return contract

    def serve(self, which: int, minutes: int) -> None:
        """With traffic, of which Bee and edge do not count the same."""
        contract = self._work(which, minutes, egress_bytes=minutes << 22)
        EdgeTraffic.objects.create(
            agreement=contract.agreement,
            minute=self.now.replace(second=0),
            requests=minutes,
            egress_bytes=(minutes << 22) + 1000 * (minutes % 3 - 1),
        )
        contract.send()

    def report_twice(self, which: int, minutes: int) -> None:
        contract = self.work(which, minutes)
        contract.send(contract.told[-1], contract.told[-1])

    def report_late(self, which: int, minutes: int) -> None:
        self._work(which, minutes)

    def report_out_of_order(self, which: int, minutes: int) -> None:
        contract = self._work(which, minutes)
        self._work(self.contracts.index(contract), minutes, of=self.contracts)
        contract.send_reversed()

    def forge(self, which: int, minutes: int) -> None:
        contract = self._work(which, minutes)
        contract.send_forged()
        contract.send()

    def fork(self, which: int, minutes: int) -> None:
        self.work(which, minutes).send_fork()

    def overclaim(self, which: int, minutes: int) -> None:
        took = minutes * 60_000
        self._work(which, minutes, running_ms=2 * took, cpu_ms=3 * took).send()

    def overflow(self, which: int) -> None:
        self._contract(which).send_overflowing()

    def fall_silent(self, which: int, minutes: int) -> None:
        """Works on, but its link is down: the Queen hears nothing of it meanwhile."""
        contract = self._contract(which)
        link_closed(node_id=contract.node_id, channel=f"link {contract.bee}", reason="connection lost")
        self._work(which, minutes).send()
        link_opened(node_id=contract.node_id, channel=f"link {contract.bee}")

    def ask(self, which: int, more: int) -> None:
        """A debit note, over a few thousandths too much, or none."""
        self._contract(which).ask(Decimal(max(more - 20, 0)).scaleb(-3))

    def _work(
        self, which: int, minutes: int, *, of: Sequence[Contract] | None = None, **fields: int
    ) -> Contract:
        contract = self._contract(which) if of is None else of[which]
        started = self.now
        self.pass_time(timedelta(minutes=minutes))
        contract.report(_ms(started), _ms(self.now), **fields)
        return contract

    # -- teams and strangers ------------------------------------------------------------------------------

    def deposit(self, team: int, cents: int) -> None:
        self.purses[team].pay(queen_address(), self._glm(cents))

    def deposit_together(self, cents: int) -> None:
        """In one block, where each has a place."""
        self._make_blocks(False)
        for team in range(TEAMS):
            self.deposit(team, cents + team)
        self._make_blocks(not self.has_trouble)

    def cap(self, team: int, cents: int) -> None:
        """What all that the team runs may take in a month."""
        change_cap(
            self.caps[team], limit_glm=self._glm(cents), per=CapPeriod.MONTH, at_end="", actor=OPERATOR
        )

    def withdraw(self, team: int, cents: int) -> None:
        asked = request_withdrawal(
            budget=self.budget(team),
            address=self.purses[team].address,
            amount_glm=self._glm(cents),
            actor=OPERATOR,
        )
        confirm_withdrawal(asked, actor=OPERATOR)

    def invoice(self, team: int) -> None:
        draw_up_invoice(team=self.teams[team], actor=OPERATOR, until=self.now)

    def stray(self, cents: int) -> None:
        self.stranger.pay(queen_address(), self._glm(cents))

    # -- the chain ----------------------------------------------------------------------------------------

    def grow(self, blocks: int) -> None:
        self.anvil.mine(blocks)
        side_by_side(tasks.watch, tasks.watch)

    def reorganise(self, depth: int, again: int) -> None:
        """Blocks that are not final are replaced. Their senders send again what was in them: never, each to
        a block of its own, or all to one."""
        assert depth < FINALITY
        self.anvil.reorganise(depth)
        self._make_blocks(again < 2 and not self.has_trouble)
        if again:
            for purse in [*self.purses, self.stranger]:
                purse.send_again()
        self._make_blocks(not self.has_trouble)
        side_by_side(tasks.watch, tasks.watch)

    def go_dark(self) -> None:
        """No node answers until the day's regular work is done twice without."""
        self.has_trouble = True
        self.settings.HIVE_RPC_URL = NOWHERE

    def stall(self) -> None:
        """No more blocks until then: what is sent waits, and is sent again at a higher price."""
        self.has_trouble = True
        self._make_blocks(False)

    # -- operators ----------------------------------------------------------------------------------------

    def resolve_stray(self, which: int, back: int) -> None:
        """Send it back, or learn that its wallet is the first team's."""
        strays = ChainTransfer.objects.filter(sender=self.stranger.address, recipient=queen_address())
        deposit = _nth(strays.order_by("amount"), which)
        if back:
            return_stray_deposit(deposit, actor=OPERATOR, reason="nobody's")
        else:
            if not Wallet.objects.filter(address=self.stranger.address).exists():
                proven(self.teams[0], self.stranger.key)
            credit_stray_deposit(deposit, actor=OPERATOR, reason="it is the first team's")

    def approve(self, which: int, operator: int) -> None:
        approve_payment(self._waiting(which), actor=Actor.user(self.operators[operator]), reason="fine")

    def refuse(self, which: int, operator: int) -> None:
        refuse_payment(self._waiting(which), actor=Actor.user(self.operators[operator]), reason="why?")

    def approve_all(self) -> None:
        """Whatever waits; one who has approved it before is refused."""
        for _ in range(Payment.objects.filter(state=PaymentState.WAITING).count()):
            for operator in range(OPERATORS):
                self.attempt("approve", 0, operator)

    def _waiting(self, which: int) -> Payment:
        waiting = Payment.objects.filter(state=PaymentState.WAITING)
        return _nth(waiting.order_by("created_at", "amount", "recipient"), which)

    def object(self, which: int) -> None:
        object_to(self._dispute(which), user=self.owner_of_bees, text="it worked longer than that")

    def decide(self, which: int, percent: int) -> None:
        dispute = self._dispute(which)
        figure = dispute.hive_glm + round_glm((dispute.asked_glm - dispute.hive_glm) * percent / 100)
        decide(dispute, user=self.operators[0], figure_glm=figure, text="as agreed")

    def credit(self, which: int, percent: int) -> None:
        invoice = _nth(Invoice.objects.order_by("number"), which)
        left = invoice.net_glm - invoice.credited_net_glm
        credit(invoice, net_glm=round_glm(left * percent / 100), actor=OPERATOR, reason="it was slow")

    def _dispute(self, which: int) -> Dispute:
        return _nth(Dispute.objects.exclude(state__in=OVER).order_by("agreement__demand__reference"), which)

    # -- time ---------------------------------------------------------------------------------------------

    def step_clock(self, seconds: int) -> None:
        """The Queen's clock jumps, until the day ends; the world's time and the Bees' do not."""
        self.skew = timedelta(seconds=seconds)
        self._set_clock()

    # -- helpers ------------------------------------------------------------------------------------------

    def budget(self, team: int) -> Budget:
        return open_budget(self.teams[team])

    def _contract(self, which: int) -> Contract:
        """Of those that are not over. Raises ValueError when there is none."""
        live = [contract for contract in self.contracts if not contract.is_over]
        if not live:
            raise ValueError("nobody works")
        return live[which % len(live)]

    @staticmethod
    def _rent(hours: int) -> Decimal:
        return round_glm(PRICE.per_hour_glm(Decimal("0.5")) * hours)

    @staticmethod
    def _glm(cents: int) -> Decimal:
        """With digits in the last places, where a float or a rounding would lose them."""
        return Decimal(cents).scaleb(-2) + Decimal(cents * 7 + 1).scaleb(-18)


def _nth(rows: Any, which: int) -> Any:
    """Counted around. Raises ValueError when there is none."""
    found = list(rows)
    if not found:
        raise ValueError("there is none")
    return found[which % len(found)]


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
