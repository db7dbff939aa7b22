"""Payouts: what is payable to each node leaves the treasury, many in one transaction where that is set up.

Payments, their entries payable -> in flight and the signed transaction are one database transaction. Whatever
dies after it, the stored transaction is sent again until a block has it; its nonce lets it happen once.

One worker settles at a time, and it pays at most what it summed before the first payment. A sum that has to
be approved is reserved whole, in one database transaction: who dies halfway leaves no rest that is small.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from apps.billing.chain.calls import Line
from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.ledger.accounts import Account, AccountKind
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.batching import Item, groups, make_ready_together, may_batch
from apps.billing.treasury.calling import call_over, lines_of
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.large import announce, is_large, turned_down
from apps.billing.treasury.models import Payment, PaymentPurpose, PaymentState
from apps.billing.treasury.paying import make_ready, reserve, sign, wait_in_line
from apps.billing.treasury.sending import push_one
from apps.billing.treasury.signers import SignerUnreachable
from apps.billing.treasury.transactions import Transaction
from apps.locks import only_one
from apps.money import ZERO, plain

log = logging.getLogger("hive.settlement")


def pay_providers(*, minimum_glm: Decimal) -> list[Payment]:
    """Pay each node what is payable to it, if it is `minimum_glm` or more. Returns the payments made.

    A node that can't be paid (the treasury lacks GLM or gas, the chain does not answer) is left for the next
    time, with a line in the log; so is everything while another worker settles. What operators have to
    approve is reserved whether it can be paid or not.
    """
    if not settings.HIVE_GLM_TOKEN:
        return []
    with only_one("billing.pay_providers") as mine:
        return _settle(chain(), minimum_glm) if mine else []


def _settle(chain: Chain, minimum_glm: Decimal) -> list[Payment]:
    owed = _owed(minimum_glm=minimum_glm)
    due = Due(minimum_glm, _sum(owed) + (_unanswered(chain) if owed else ZERO))
    if is_large(due.total_glm, limit_glm=settings.HIVE_APPROVAL_ABOVE_GLM):
        return _ask_for_all(chain, owed, due)
    together, alone = _apart(chain, owed)
    batches = [*groups(together, at_most=settings.HIVE_PAYOUTS_PER_BATCH), *([each] for each in alone)]
    return list(_until_silent(_pay(chain, batch, due) for batch in batches))


def _until_silent(parts: Iterator[list[Item]]) -> Iterator[Item]:
    """What they made, up to the first that the signer was silent at: the others would wait as long for it."""
    try:
        for part in parts:
            yield from part
    except SignerUnreachable as trouble:
        log.warning("nothing more is signed for now: %s", trouble)


@dataclass(frozen=True, slots=True)
class Due:
    """Of one settlement: what is paid at least to each, and what is due to all of them.

    The sum counts for approval: in whatever parts it goes out, it leaves the treasury at once, and what is
    earned meanwhile waits for the next one. Payouts that operators are asked about still are in it.
    """

    minimum_glm: Decimal
    total_glm: Decimal


def _owed(*, minimum_glm: Decimal) -> list[Account]:
    """To whom."""
    payable = Account.objects.filter(kind=AccountKind.PAYABLE).select_related("node")
    enough = payable.filter(guarded_balance__gt=ZERO, guarded_balance__gte=minimum_glm)
    return list(enough.order_by("pk"))


def _unanswered(chain: Chain) -> Decimal:
    """GLM of payouts that wait for operators: what was left of their settlement is no sum of its own."""
    payouts = Payment.objects.filter(chain_id=chain.chain_id, purpose=PaymentPurpose.PAYOUT)
    return payouts.filter(state=PaymentState.WAITING).aggregate(all=Sum("amount"))["all"] or ZERO


def _apart(chain: Chain, owed: Sequence[Account]) -> tuple[Sequence[Account], Sequence[Account]]:
    """Those that may be paid together, and those that are paid each by itself.

    A node whose last payment failed goes by itself: it must not hold up the others again.
    """
    newest = Payment.objects.filter(node=OuterRef("node")).order_by("-created_at").values("state")[:1]
    told = Account.objects.filter(pk__in=[each.pk for each in owed]).annotate(last_payment=Subquery(newest))
    failed = set(told.filter(last_payment=PaymentState.FAILED).values_list("pk", flat=True))
    well = [account for account in owed if account.pk not in failed]
    if len(well) < 2 or not _may_batch(chain, _sum(well)):
        return [], owed
    return well, [account for account in owed if account.pk in failed]


def _sum(accounts: Sequence[Account]) -> Decimal:
    return sum((_balance(account) for account in accounts), ZERO)


def _may_batch(chain: Chain, total_glm: Decimal) -> bool:
    try:
        return may_batch(chain, total_glm=total_glm)
    except (ChainRefused, ChainUnreachable):
        return False  # told when the payments themselves are tried


def _pay(chain: Chain, batch: Sequence[Account], due: Due) -> list[Payment]:
    """What is payable to them, by one transaction. Raises SignerUnreachable."""
    try:
        payments = _sign(chain, batch, due)
    except ChainRefused as refusal:
        if len(batch) > 1:
            return _pay_apart(chain, batch, refusal, due)
        _note_unpaid(batch, refusal)
        return []
    except ChainUnreachable as trouble:
        _note_unpaid(batch, trouble)
        if isinstance(trouble, SignerUnreachable):
            raise
        return []
    for signed in {payment.transaction for payment in payments if payment.transaction}:
        push_one(chain, signed)
    made = Payment.objects.filter(pk__in=[payment.pk for payment in payments]).select_related("transaction")
    return list(made.order_by("line"))


def _pay_apart(chain: Chain, batch: Sequence[Account], refusal: ChainRefused, due: Due) -> list[Payment]:
    """The batch can't succeed: pay those together that could be paid, or else each by itself."""
    payable = [account for account in batch if _could_be_paid(chain, account)]
    log.warning("%d of %d can be paid together: %s", len(payable), len(batch), refusal)
    smaller = [payable] if 0 < len(payable) < len(batch) else [[account] for account in payable]
    return [payment for part in smaller for payment in _pay(chain, part, due)]


def _could_be_paid(chain: Chain, account: Account) -> bool:
    try:
        make_ready(chain, recipient=str(account.node_id), amount_glm=_balance(account))
    except (ChainRefused, ChainUnreachable) as trouble:
        _note_unpaid([account], trouble)
        return False
    return True


def _ask_for_all(chain: Chain, owed: Sequence[Account], due: Due) -> list[Payment]:
    """Reserve all of a settlement that is large, or nothing; operators approve each before it is signed.

    The chain is not asked: whom it would not pay right now would be a small sum by the next time. It is
    when they have approved.
    """
    with transaction.atomic():
        wait_in_line()
        return _reserve_all(chain, owed, due)


def _sign(chain: Chain, batch: Sequence[Account], due: Due) -> list[Payment]:
    """Reserve what is payable now, and sign it."""
    ready = make_ready_together(chain, _lines(batch))
    with transaction.atomic():
        wait_in_line()
        payments = _reserve_all(chain, batch, due)
        if carried := [payment for payment in payments if payment.state == PaymentState.READY]:
            sign(ready, call=call_over(ready.kind, lines_of(carried)), payments=carried)
    return payments


def _reserve_all(chain: Chain, accounts: Sequence[Account], due: Due) -> list[Payment]:
    """In the caller's transaction; tells operators of what waits for them."""
    owed = {each: amount for each, amount in _now_payable(accounts) if ZERO < amount >= due.minimum_glm}
    again = turned_down([str(account.node_id) for account in owed])
    payments = [
        _reserve(
            chain, account, amount, total_glm=due.total_glm, was_turned_down=str(account.node_id) in again
        )
        for account, amount in owed.items()
    ]
    announce(payments)
    return payments


def _now_payable(batch: Sequence[Account]) -> list[tuple[Account, Decimal]]:
    """At most what was summed: less where it was paid since, and what was earned since waits for the next."""
    ids = [account.pk for account in batch]
    now = dict(Account.objects.filter(pk__in=ids).values_list("pk", "guarded_balance"))
    return [(account, min(now[account.pk] or ZERO, _balance(account))) for account in batch]


def _reserve(
    chain: Chain, account: Account, amount_glm: Decimal, *, total_glm: Decimal, was_turned_down: bool
) -> Payment:
    node_id = str(account.node_id)
    payment = reserve(
        chain_id=chain.chain_id,
        source=account,
        recipient=node_id,
        amount_glm=amount_glm,
        total_glm=total_glm,
        was_turned_down=was_turned_down,
        node_id=node_id,
    )
    notes = DebitNote.objects.filter(agreement__node=node_id, state=DebitNoteState.ACCEPTED, payment=None)
    notes.update(payment=payment)
    return payment


def _lines(batch: Sequence[Account]) -> list[Line]:
    return [Line(str(account.node_id), _balance(account)) for account in batch]


def _balance(account: Account) -> Decimal:
    """As it was when the account was read."""
    return account.guarded_balance or ZERO


def _note_unpaid(batch: Sequence[Account], trouble: Exception) -> None:
    for account in batch:
        log.warning("%s GLM are not paid to %s: %s", plain(_balance(account)), account.node_id, trouble)


# -- what waits for a transaction -------------------------------------------------------------------------


def dispatch_ready(chain: Chain) -> list[Transaction]:
    """Sign and send what is ready and has no transaction yet. Returns the transactions made.

    What can't be sent now waits; past its deadline it fails, and its money is back where it was.
    """
    waiting = list(
        Payment.objects.filter(chain_id=chain.chain_id, state=PaymentState.READY).order_by("created_at")
    )
    total = sum((payment.amount for payment in waiting), ZERO)
    together = len(waiting) > 1 and _may_batch(chain, total)
    at_most = settings.HIVE_PAYOUTS_PER_BATCH if together else 1
    return list(_until_silent(_dispatch(chain, batch) for batch in groups(waiting, at_most=at_most)))


def _dispatch(chain: Chain, batch: Sequence[Payment]) -> list[Transaction]:
    """Raises SignerUnreachable."""
    try:
        signed = _sign_ready(chain, batch)
    except SignerUnreachable:
        raise
    except (ChainRefused, ChainUnreachable) as trouble:
        if len(batch) > 1:
            return [made for payment in batch for made in _dispatch(chain, [payment])]
        log.warning("%s: not signed yet: %s", batch[0], trouble)
        _give_up_late(batch[0], reason=str(trouble))
        return []
    if signed is not None:
        push_one(chain, signed)
    return [signed] if signed else []


def _sign_ready(chain: Chain, batch: Sequence[Payment]) -> Transaction | None:
    ready = make_ready_together(chain, lines_of(batch))
    with transaction.atomic():
        wait_in_line()
        still = list(Payment.objects.filter(pk__in=[each.pk for each in batch], state=PaymentState.READY))
        return sign(ready, call=call_over(ready.kind, lines_of(still)), payments=still) if still else None


def _give_up_late(payment: Payment, *, reason: str) -> None:
    if payment.deadline_at is not None and payment.deadline_at < timezone.now():
        fail_payment(payment, reason=f"it could not be sent in time: {reason}")


def give_up_late() -> int:
    """Fail what is past its deadline and still has no transaction, whether the chain answers or not.

    Of whatever chain: the settings may name another one by now. Returns how many.
    """
    late = Payment.objects.filter(state=PaymentState.READY, deadline_at__lt=timezone.now())
    return sum(_give_up(each) for each in late.order_by("created_at"))


@transaction.atomic
def _give_up(late: Payment) -> bool:
    wait_in_line()  # nobody signs it meanwhile
    current = Payment.objects.filter(pk=late.pk, state=PaymentState.READY).first()
    if current is None:
        return False
    _give_up_late(current, reason="neither chain nor signer took it")
    return True
