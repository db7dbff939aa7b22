"""Taxes on an invoice, and who it is from and to: all as a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings

from apps.billing.invoicing.billing_details import BillingDetails
from apps.money import ZERO, percent_of, plain
from apps.nodes.queen import queen_address
from apps.teams.models import Team

Taxes = list[dict[str, str]]


def details_of(team: Team) -> BillingDetails:
    """The team's, or what goes for a team that said nothing."""
    return BillingDetails.objects.filter(team=team).first() or BillingDetails(team=team)


def rates_of(details: BillingDetails) -> list[tuple[str, Decimal]]:
    """Name and percent of each tax."""
    if details.taxes is None:
        return list(settings.HIVE_TAXES)
    return [(str(tax["name"]), Decimal(str(tax["percent"]))) for tax in details.taxes]


def taxes_on(net_glm: Decimal, rates: Iterable[tuple[str, Decimal]]) -> Taxes:
    """Each is rounded once. All amounts are text, exact."""
    return [
        {
            "name": name,
            "percent": plain(percent),
            "base_glm": plain(net_glm),
            "amount_glm": plain(percent_of(net_glm, percent)),
        }
        for name, percent in rates
    ]


def sum_of(taxes: Iterable[Mapping[str, str]]) -> Decimal:
    return sum((Decimal(tax["amount_glm"]) for tax in taxes), ZERO)


def issuer() -> dict[str, Any]:
    """As it is now: name and address for people, key and chain for signatures."""
    return {
        "name": settings.HIVE_INVOICE_NAME,
        "address": settings.HIVE_INVOICE_ADDRESS,
        "tax_id": settings.HIVE_INVOICE_TAX_ID,
        "email": settings.HIVE_INVOICE_EMAIL,
        "key": queen_address(),
        "chain_id": settings.HIVE_CHAIN_ID,
    }


def customer(details: BillingDetails) -> dict[str, Any]:
    team = details.team
    return {
        "team": team.slug,
        "name": details.name or team.name,
        "address": details.address,
        "tax_id": details.tax_id,
    }
