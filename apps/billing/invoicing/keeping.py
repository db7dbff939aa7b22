"""What taxes need of a team's money, those included that no invoice asks for yet: it can't be taken out.

Usage is prepaid and taxes are not: they are due with the month's invoice, from what is in the budget then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from apps.billing.invoicing import taxing
from apps.billing.invoicing.models import UNPAID, Invoice
from apps.billing.metering.models import UsageRecord, UsageState
from apps.money import ZERO, plain
from apps.teams.models import Team


@dataclass(frozen=True, slots=True)
class Kept:
    """`used_glm` is on no invoice yet, and `coming_glm` are the taxes that will be on it."""

    invoiced_glm: Decimal
    used_glm: Decimal
    coming_glm: Decimal

    @property
    def total_glm(self) -> Decimal:
        return self.invoiced_glm + self.coming_glm

    def __str__(self) -> str:
        """What is kept and why, for the person who waits; empty when nothing is."""
        invoiced, coming, used = map(plain, (self.invoiced_glm, self.coming_glm, self.used_glm))
        parts = []
        if self.invoiced_glm:
            parts.append(f"{invoiced} GLM of taxes are invoiced and not paid yet")
        if self.coming_glm:
            parts.append(
                f"{coming} GLM of taxes will be on {used} GLM that were used and are on no invoice yet"
            )
        return ", and ".join(parts)


def kept_of(*, invoiced_glm: Decimal, used_glm: Decimal, rates: Iterable[tuple[str, Decimal]]) -> Kept:
    """`invoiced_glm`: taxes not paid yet. `rates`: name and percent of each tax, each rounded once."""
    coming_glm = taxing.sum_of(taxing.taxes_on(used_glm, rates))
    return Kept(invoiced_glm=invoiced_glm, used_glm=used_glm, coming_glm=coming_glm)


def kept_for_taxes(team: Team) -> Kept:
    """As the books stand. What is held may be used and taxed as well: it can't be taken out anyhow."""
    return kept_of(
        invoiced_glm=_invoiced_glm(team),
        used_glm=_used_glm(team),
        rates=taxing.rates_of(taxing.details_of(team)),
    )


def _invoiced_glm(team: Team) -> Decimal:
    """Those that are not due yet, too: an invoice waits for what is held now to be free."""
    unpaid = Invoice.objects.filter(team=team, state__in=UNPAID)
    return sum((min(each.due_glm, each.tax_glm - each.credited_tax_glm) for each in unpaid), ZERO)


def _used_glm(team: Team) -> Decimal:
    posted = UsageRecord.objects.filter(agreement__team=team, state=UsageState.POSTED, invoice=None)
    return posted.aggregate(all=Sum("cost_glm"))["all"] or ZERO
