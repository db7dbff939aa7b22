"""An invoice or a credit note as a PDF that somebody would pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from apps.billing.chain.networks import network_of
from apps.billing.invoicing.models import CreditNote, Invoice, InvoiceState
from apps.billing.invoicing.paying_in import payment_of
from apps.billing.invoicing.sheet import Column, Group, Sheet, clock, day, instant, size
from apps.billing.invoicing.sums import credited, sums_of
from apps.billing.wallets.payment_requests import PaymentRequest
from apps.money import ZERO, plain

COLUMNS = (
    Column("Service", 42, "LEFT"),
    Column("Node", 31, "LEFT"),
    Column("Time", 22),
    Column("CPU", 20),
    Column("Traffic", 16),
    Column("GLM", 43),
)
SUM_MM, NOTE_MM, PAYMENT_MM = 6, 12, 43
"""Room for a row of the sums, for a few words below, and for what to pay with."""


def as_pdf(paper: Invoice | CreditNote) -> bytes:
    sheet = _invoice(paper) if isinstance(paper, Invoice) else _credit_note(paper)
    return bytes(sheet.output())


def _invoice(invoice: Invoice) -> Sheet:
    sheet = _begun(invoice, invoice, name="Invoice")
    sheet.parties(customer=invoice.customer, title="Bill to", facts=_invoice_facts(invoice))
    sheet.figure(label="To pay", amount=f"{plain(invoice.due_glm)} GLM", words=_standing_in_a_word(invoice))
    sheet.table_of(COLUMNS, _rows(invoice.lines))
    sums, payment = sums_of(invoice), payment_of(invoice)
    notes = [invoice.note, "" if payment else _standing(invoice)]
    height_mm = SUM_MM * (len(sums) + 2) + NOTE_MM * len([*filter(None, notes)])
    with sheet.together(height_mm + (PAYMENT_MM if payment else 0)):
        sheet.sums(sums)
        sheet.notes(notes)
        if payment:
            _pay_with(sheet, invoice, payment)
    return sheet


def _credit_note(note: CreditNote) -> Sheet:
    sheet = _begun(note, note.invoice, name="Credit note")
    sheet.parties(customer=note.invoice.customer, title="Credit to", facts=_credit_facts(note))
    sheet.notes([f"Credited of invoice {note.invoice.number}: {note.reason}"])
    sheet.ln(4)
    with sheet.together(12 * SUM_MM):
        sheet.sums(credited(note))
        sheet.notes(["What was paid of it went back to the team's budget; what was not is no longer due."])
        sheet.notes([note.invoice.note])
    return sheet


def _begun(paper: Invoice | CreditNote, invoice: Invoice, *, name: str) -> Sheet:
    footer = (
        f"Signed with the key {invoice.issuer.get('key', '')}. Whoever has the JSON of {paper.number}"
        f" recomputes it offline, to the last digit: hive verify-invoice {paper.number}.json"
    )
    author = str(invoice.issuer.get("name", ""))
    title = f"{name} {paper.number}"
    sheet = Sheet(title=title, footer=footer, author=author, created_at=paper.issued_at)
    sheet.head(issuer=invoice.issuer, name=name, number=paper.number)
    return sheet


# -- lines ------------------------------------------------------------------------------------------------


def _rows(lines: Sequence[dict[str, Any]]) -> Iterator[Sequence[str] | Group]:
    """By deployment, each under its name and what it came to; without them as they are."""
    for deployment, group in groupby(lines, key=lambda line: str(line.get("deployment", ""))):
        of_it = list(group)
        if deployment:
            yield Group(deployment, plain(sum((Decimal(line["cost_glm"]) for line in of_it), ZERO)))
        yield from map(_row, of_it)


def _row(line: dict[str, Any]) -> Sequence[str]:
    return (
        _service(line),
        f"{line['node_name']}\n{line['node'][:8]}…{line['node'][-4:]}",
        clock(line["running_s"]),
        clock(line["cpu_s"]),
        size(line["egress_bytes"]),
        line["cost_glm"],
    )


def _service(line: dict[str, Any]) -> str:
    """As the team calls it, what ran, and at which price."""
    told = [line.get("replica") or line.get("service"), line["what"], prices_in_words(line["price"])]
    return "\n".join(filter(None, told))


def prices_in_words(price: dict[str, str]) -> str:
    """Exact: an hour is 3600 times a second."""
    hour = {name: plain(Decimal(price[f"{name}_glm"]) * 3600) for name in ("second", "cpu_second")}
    parts = [
        f"{price['start_glm']} to start" if Decimal(price["start_glm"]) else "",
        f"{hour['second']}/h" if Decimal(hour["second"]) else "",
        f"{hour['cpu_second']}/CPU h" if Decimal(hour["cpu_second"]) else "",
        f"{price['egress_gib_glm']}/GiB" if Decimal(price["egress_gib_glm"]) else "",
    ]
    return " + ".join(filter(None, parts))


# -- what is said -----------------------------------------------------------------------------------------


def due_in_words(invoice: Invoice) -> str:
    return day(invoice.due_at) if invoice.tax_glm or invoice.credit_glm else "prepaid"


def _invoice_facts(invoice: Invoice) -> list[tuple[str, str]]:
    return [
        ("Date", day(invoice.issued_at)),
        ("Period", f"{instant(invoice.period_start)} to\n{instant(invoice.period_end)} UTC"),
        ("Due", due_in_words(invoice)),
        ("Team", str(invoice.customer.get("team", invoice.team.slug))),
    ]


def _credit_facts(note: CreditNote) -> list[tuple[str, str]]:
    return [
        ("Date", day(note.issued_at)),
        ("For invoice", f"{note.invoice.number}\nof {day(note.invoice.issued_at)}"),
        ("Team", str(note.invoice.customer.get("team", note.invoice.team.slug))),
    ]


def _standing_in_a_word(invoice: Invoice) -> str:
    if invoice.is_terminal:
        return f"Paid on {day(invoice.state_since)}"
    was = "Overdue: it was due on" if invoice.state == InvoiceState.OVERDUE else "Due on"
    return f"{was} {day(invoice.due_at)}"


def _standing(invoice: Invoice) -> str:
    if invoice.is_terminal:
        return f"Paid on {day(invoice.state_since)}. There is nothing left to pay."
    return (
        f"Please have {plain(invoice.due_glm)} GLM of your own in the team's main budget by"
        f" {day(invoice.due_at)}: it is taken from there as soon as it is there."
    )


# -- what to pay with -------------------------------------------------------------------------------------


def _pay_with(sheet: Sheet, invoice: Invoice, payment: PaymentRequest) -> None:
    network = network_of(payment.chain_id)
    chain = f"{network.name}, chain {payment.chain_id}" if network else f"chain {payment.chain_id}"
    sheet.payment_box(
        title="Pay in from a proven wallet: the main budget pays it then",
        facts=[
            ("Amount", f"{plain(payment.amount_glm)} GLM"),
            ("By", day(invoice.due_at)),
            ("To", payment.recipient),
            ("Token", payment.token),
            ("Network", chain),
        ],
        code=payment.qr_rows,
    )
