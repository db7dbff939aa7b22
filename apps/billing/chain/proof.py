"""Do the books add up, and does the chain agree? Asked once an hour; an audit line of the treasury tells."""

from __future__ import annotations

import logging

from django.conf import settings

from apps.billing.chain.client import ChainRefused, ChainUnreachable
from apps.billing.chain.reconciliation import Reconciliation, reconcile
from apps.billing.ledger.accounts import AccountKind
from apps.billing.ledger.instant import one_instant
from apps.billing.ledger.posting import check_ledger, house_account
from apps.billing.treasury.checking import check_payments, late_payments
from apps.money import plain
from apps.teams.audit import Actor, AuditLine

log = logging.getLogger("hive.billing")

PROOF = Actor.queen("proof")
PROVEN, DIFFERENT, UNPROVEN = "proven", "different", "unproven"


def prove_books() -> list[str]:
    """Prove them and write the result down. Returns what differs, a sentence each."""
    treasury = house_account(AccountKind.TREASURY)  # opened before: an instant sees nobody else's
    house_account(AccountKind.IN_FLIGHT)
    with one_instant():
        differences, agreement, trouble = check_ledger() + check_payments(), "the ledger adds up", ""
        late = late_payments()
        if settings.HIVE_GLM_TOKEN:
            try:
                found = reconcile()
            except (ChainUnreachable, ChainRefused) as error:
                trouble = f"the chain can't be asked: {error}"
            else:
                differences += differences_to_chain(found)
                agreement = f"ledger and chain agree on {plain(found.ledger_balance_glm)} GLM"
    for difference in differences:
        log.error("the books are wrong: %s", difference)
    if trouble:
        log.warning("the books are not proven: %s", trouble)
    for payment in late:
        log.warning("in flight for too long: %s", payment)
    AuditLine.write(
        treasury,
        before="",
        after=DIFFERENT if differences else UNPROVEN if trouble else PROVEN,
        actor=PROOF,
        reason="; ".join([*differences, *([trouble] if trouble else []), *late]) or agreement,
    )
    return differences


def latest_proof() -> AuditLine | None:
    return AuditLine.objects.filter(noun="account", actor=str(PROOF)).first()


def differences_to_chain(found: Reconciliation) -> list[str]:
    """What the chain says otherwise, one sentence each."""
    told = []
    if found.unmatched:
        told.append(f"{found.unmatched} transfers are either on the chain or in the ledger, not in both")
    if found.difference_glm:
        chain, ledger = plain(found.chain_balance_glm), plain(found.ledger_balance_glm)
        rest = (
            f"{plain(found.pending_glm)} are on their way: {plain(found.difference_glm)} can't be explained"
        )
        told.append(f"the treasury has {chain} GLM on the chain, {ledger} in the ledger, {rest}")
    return told
