"""From what was used to what is still to pay: the rows below an invoice, on its page and on paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from apps.billing.invoicing.models import CreditNote, Invoice
from apps.money import plain


class Sum(NamedTuple):
    """`amount` is exact, in GLM, with a minus sign where it is taken off."""

    label: str
    amount: str
    is_bold: bool = False


def sums_of(invoice: Invoice) -> list[Sum]:
    """The total and what is taken off it add up to what is to pay."""
    rows = [Sum("Used", plain(invoice.net_glm)), *_tax_rows(invoice.taxes)]
    rows += [
        Sum("Total", plain(invoice.total_glm), is_bold=True),
        Sum("Prepaid", f"−{plain(invoice.net_glm - invoice.credit_glm)}"),
    ]
    if invoice.paid_glm:
        rows.append(Sum("Paid since", f"−{plain(invoice.paid_glm)}"))
    # What was credited while it was due; what was credited after it was paid went back to the budget.
    if waived_glm := invoice.tax_glm + invoice.credit_glm - invoice.paid_glm - invoice.due_glm:
        rows.append(Sum("Credited", f"−{plain(waived_glm)}"))
    return [*rows, Sum("To pay", plain(invoice.due_glm), is_bold=True)]


def credited(note: CreditNote) -> list[Sum]:
    return [
        Sum("Credited", plain(note.net_glm)),
        *_tax_rows(note.taxes),
        Sum("Total", plain(note.total_glm), is_bold=True),
    ]


def _tax_rows(taxes: Iterable[dict[str, str]]) -> list[Sum]:
    return [Sum(f"{tax['name']} {tax['percent']} %", tax["amount_glm"]) for tax in taxes]
