"""A team that does not pay what is due places nothing new, and its leases are not renewed: they run out."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from apps.billing.invoicing.billing_details import BillingDetails
from apps.billing.ledger.posting import InsufficientFunds
from apps.money import ZERO
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team


class TeamSuspended(InsufficientFunds):
    """The budget may have it, the team may not spend it; its text is for the person who waits."""

    def __init__(self, words: str, *, needed: Decimal) -> None:
        super().__init__(available=ZERO, needed=needed)
        self.args = (words,)


def must_not_be_suspended(team_id: int, *, needed_glm: Decimal) -> None:
    """Raises TeamSuspended."""
    found = BillingDetails.objects.filter(team=team_id, suspended_at__isnull=False).first()
    if found is not None:
        raise TeamSuspended(f"the team is suspended: {found.suspended_because}", needed=needed_glm)


@transaction.atomic
def suspend(team: Team, *, actor: Actor, because: str, until_paid: bool = False) -> bool:
    """Whether this is new. `until_paid` is lifted by itself; whatever else, an operator lifts.

    A team that is suspended stays so for its first reason, but one that only had to pay may be so by hand.
    """
    details = _locked(team)
    before = "" if details.suspended_at is None else "suspended"
    if before and (until_paid or not details.suspended_until_paid):
        return False
    details.suspended_at = details.suspended_at or timezone.now()
    details.suspended_because, details.suspended_until_paid = because[:300], until_paid
    details.save(update_fields=_FIELDS)
    AuditLine.write(details, before=before, after="suspended", actor=actor, reason=because)
    return True


@transaction.atomic
def lift(team: Team, *, actor: Actor, reason: str) -> None:
    """A team that is not suspended stays as it is."""
    details = _locked(team)
    if details.suspended_at is not None:
        details.suspended_at, details.suspended_because, details.suspended_until_paid = None, "", False
        details.save(update_fields=_FIELDS)
        AuditLine.write(details, before="suspended", after="", actor=actor, reason=reason)


_FIELDS = ("suspended_at", "suspended_because", "suspended_until_paid")


def _locked(team: Team) -> BillingDetails:
    BillingDetails.objects.get_or_create(team=team)
    return BillingDetails.objects.select_for_update().get(team=team)
