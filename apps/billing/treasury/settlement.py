"""Payouts: what is payable to each node leaves the treasury.

The payment, its entry payable -> in flight and the signed transaction are one database transaction. Whatever
dies after it, the stored transaction is sent again until a block has it; its nonce lets it happen once.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.ledger.accounts import Account, AccountKind
from apps.billing.ledger.posting import balance
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.following import fail_payment
from apps.billing.treasury.models import Payment, PaymentState
from apps.billing.treasury.paying import Readiness, make_ready, sign, sign_and_store, wait_in_line
from apps.billing.treasury.sending import push_one, push_payment
from apps.billing.treasury.transactions import Transaction
from apps.money import ZERO, plain

log = logging.getLogger("hive.settlement")


def pay_providers(*, minimum_glm: Decimal) -> list[Payment]:
    """Pay each node what is payable to it, if it is `minimum_glm` or more. Returns the payments made.

    A node that can't be paid (the treasury lacks GLM or gas, the chain does not answer) is left for the next
    time, with a line in the log.
    """
    if not settings.HIVE_GLM_TOKEN:
        return []
    owed = Account.objects.filter(
        kind=AccountKind.PAYABLE, guarded_balance__gt=ZERO, guarded_balance__gte=minimum_glm
    )
    made = [_pay(account, minimum_glm=minimum_glm) for account in owed.select_related("node").order_by("pk")]
    return [payment for payment in made if payment is not None]


def _pay(account: Account, *, minimum_glm: Decimal) -> Payment | None:
    try:
        payment = _sign(chain(), account, minimum_glm=minimum_glm)
    except (ChainRefused, ChainUnreachable) as trouble:
        log.warning("%s GLM are not paid to %s: %s", plain(balance(account)), account.node_id, trouble)
        return None
    if payment is not None:
        push_payment(chain(), payment)
    return payment


def _sign(chain: Chain, account: Account, *, minimum_glm: Decimal) -> Payment | None:
    recipient = str(account.node_id)
    ready = make_ready(chain, recipient=recipient, amount_glm=balance(account))
    with transaction.atomic():
        wait_in_line()
        amount = balance(account)
        if amount == ZERO or amount < minimum_glm:
            return None  # another worker was faster
        return _store(ready, account, recipient, amount)


def _store(ready: Readiness, account: Account, recipient: str, amount: Decimal) -> Payment:
    payment = sign_and_store(ready, source=account, recipient=recipient, amount_glm=amount, node_id=recipient)
    notes = DebitNote.objects.filter(agreement__node=recipient, state=DebitNoteState.ACCEPTED, payment=None)
    notes.update(payment=payment)
    return payment


# -- what waits for a transaction -------------------------------------------------------------------------


def dispatch_ready(chain: Chain) -> list[Transaction]:
    """Sign and send what is ready and has no transaction yet. Returns the transactions made.

    What can't be sent now waits; past its deadline it fails, and its money is back where it was.
    """
    waiting = Payment.objects.filter(chain_id=chain.chain_id, state=PaymentState.READY)
    made = [_dispatch(chain, payment) for payment in waiting.order_by("created_at")]
    return [each for each in made if each is not None]


def _dispatch(chain: Chain, payment: Payment) -> Transaction | None:
    try:
        signed = _sign_ready(chain, payment)
    except (ChainRefused, ChainUnreachable) as trouble:
        log.warning("%s: not signed yet: %s", payment, trouble)
        _give_up_late(payment, reason=str(trouble))
        return None
    if signed is not None:
        push_one(chain, signed)
    return signed


def _sign_ready(chain: Chain, payment: Payment) -> Transaction | None:
    ready = make_ready(chain, recipient=payment.recipient, amount_glm=payment.amount)
    with transaction.atomic():
        wait_in_line()
        still = Payment.objects.filter(pk=payment.pk, state=PaymentState.READY).first()
        return sign(ready, call=ready.call, payments=[still]) if still else None


def _give_up_late(payment: Payment, *, reason: str) -> None:
    if payment.deadline_at is not None and payment.deadline_at < timezone.now():
        fail_payment(payment, reason=f"it could not be sent in time: {reason}")
