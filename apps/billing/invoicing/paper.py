"""An invoice or a credit note as a PDF that somebody would pay. A4; amounts are exact.

The fonts are DejaVu's, embedded as far as they are used: names in Latin, Greek or Cyrillic letters show as
they are. Other letters are in the JSON, which is the document that proves something; this one is to be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis, XPos, YPos
from fpdf.fonts import FontFace

from apps.billing.invoicing.models import CreditNote, Invoice
from apps.money import plain

FONTS = Path(__file__).parent / "fonts"
INK, MUTED, LINE, HONEY = (27, 24, 20), (115, 108, 99), (222, 216, 207), (214, 143, 20)
MARGIN_MM, WIDTH_MM = 18, 174
SUMS_MM = 70
"""Room for the sums and a few words."""
Row = tuple[str, str]


class _Paper(FPDF):
    def __init__(self, *, title: str, footer: str) -> None:
        super().__init__(format="A4")
        self._footer = footer
        self.set_title(title)
        self.set_lang("en-GB")
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=24)
        self.add_font("DejaVu", fname=FONTS / "DejaVuSans.ttf")
        self.add_font("DejaVu", style="B", fname=FONTS / "DejaVuSans-Bold.ttf")
        self.ink(9)
        self.add_page()

    def footer(self) -> None:
        self.set_y(-18)
        self.ink(6.5, color=MUTED)
        self.multi_cell(WIDTH_MM - 26, 3.4, self._footer, align="L", new_x=XPos.RIGHT, new_y=YPos.TOP)
        self.cell(26, 3.4, f"{self.page_no()} / {{nb}}", align="R")

    def ink(self, size: float, *, bold: bool = False, color: tuple[int, int, int] = INK) -> None:
        self.set_font("DejaVu", style="B" if bold else "", size=size)
        self.set_text_color(*color)

    def text_block(self, text: str, *, x: float, width: float, height: float = 4.6, align: str = "L") -> None:
        self.set_x(x)
        self.multi_cell(width, height, text, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)


def as_pdf(paper: Invoice | CreditNote) -> bytes:
    invoice = paper if isinstance(paper, Invoice) else paper.invoice
    name = "Invoice" if isinstance(paper, Invoice) else "Credit note"
    pdf = _Paper(title=f"{name} {paper.number}", footer=_footer(paper, invoice))
    pdf.set_creation_date(paper.issued_at)
    pdf.set_author(str(invoice.issuer.get("name", "")))
    _head(pdf, invoice, name, paper.number)
    _parties(pdf, invoice, _invoice_facts(paper) if isinstance(paper, Invoice) else _credit_facts(paper))
    if isinstance(paper, Invoice):
        _lines(pdf, paper)
        _sums(pdf, _invoice_sums(paper))
        _notes(pdf, filter(None, [paper.note, _standing(paper)]))
    else:
        _notes(pdf, [f"Credited of invoice {invoice.number}: {paper.reason}"])
        _sums(pdf, _credit_sums(paper))
        _notes(pdf, ["What was paid of it went back to the team's budget; what was not is no longer due."])
    return bytes(pdf.output())


def _head(pdf: _Paper, invoice: Invoice, name: str, number: str) -> None:
    pdf.set_fill_color(*HONEY)
    pdf.rect(0, 0, 210, 2.2, style="F")
    pdf.set_fill_color(255)
    top = pdf.get_y()
    pdf.ink(13, bold=True)
    pdf.text_block(str(invoice.issuer.get("name", "")), x=MARGIN_MM, width=90, height=6)
    pdf.ink(8, color=MUTED)
    told = [invoice.issuer.get(each) for each in ("address", "tax_id", "email")]
    if any(told):
        pdf.text_block("\n".join(filter(None, told)), x=MARGIN_MM, width=90, height=4.2)
    left_end = pdf.get_y()
    pdf.set_y(top)
    pdf.ink(20, bold=True)
    pdf.text_block(name, x=MARGIN_MM + 90, width=WIDTH_MM - 90, height=8, align="R")
    pdf.ink(10, color=MUTED)
    pdf.text_block(number, x=MARGIN_MM + 90, width=WIDTH_MM - 90, height=6, align="R")
    pdf.set_y(max(pdf.get_y(), left_end) + 10)


def _parties(pdf: _Paper, invoice: Invoice, facts: Iterable[Row]) -> None:
    top = pdf.get_y()
    pdf.ink(7.5, color=MUTED)
    pdf.text_block("Bill to", x=MARGIN_MM, width=90)
    pdf.ink(10, bold=True)
    pdf.text_block(str(invoice.customer.get("name", invoice.team.name)), x=MARGIN_MM, width=90, height=5.4)
    pdf.ink(9)
    tax_id = invoice.customer.get("tax_id")
    told = [invoice.customer.get("address"), f"Tax number {tax_id}" if tax_id else ""]
    if any(told):
        pdf.text_block("\n".join(filter(None, told)), x=MARGIN_MM, width=90)
    left_end = pdf.get_y()
    pdf.set_y(top)
    for label, value in facts:
        pdf.set_x(MARGIN_MM + 100)
        pdf.ink(8, color=MUTED)
        pdf.cell(26, 5, label)
        pdf.ink(8)
        pdf.multi_cell(WIDTH_MM - 126, 5, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_y(max(pdf.get_y(), left_end) + 8)


def _lines(pdf: _Paper, invoice: Invoice) -> None:
    pdf.ink(7.5)
    pdf.set_draw_color(*LINE)
    heading = FontFace(emphasis=TextEmphasis.B, color=MUTED, size_pt=7)
    with pdf.table(
        col_widths=(46, 37, 16, 16, 17, 42),
        text_align=("LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT", "RIGHT"),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=heading,
        line_height=3.9,
        padding=(1.3, 1),
    ) as table:
        table.row(("Service", "Node", "Time", "CPU", "Traffic", "GLM"))
        for line in invoice.lines:
            table.row(
                (
                    _service(line),
                    f"{line['node_name']}\n{line['node'][:10]}…{line['node'][-6:]}",
                    _span(line["running_s"]),
                    _span(line["cpu_s"]),
                    _bytes(line["egress_bytes"]),
                    line["cost_glm"],
                )
            )
    pdf.ln(4)


def _service(line: dict[str, Any]) -> str:
    """Where it belongs, as the team calls it, and what ran."""
    place = "/".join(filter(None, [line.get("deployment"), line.get("replica") or line.get("service")]))
    return f"{place}\n{line['what']}" if place else str(line["what"])


def _sums(pdf: _Paper, rows: Iterable[tuple[str, str, bool]]) -> None:
    """Label, amount, and whether it stands out. They stay on one page, with what is said below them."""
    if pdf.will_page_break(SUMS_MM):
        pdf.add_page()
    for label, amount, is_bold in rows:
        pdf.set_x(MARGIN_MM + 70)
        pdf.ink(10 if is_bold else 8.5, bold=is_bold)
        if is_bold:
            pdf.set_draw_color(*INK)
            pdf.line(MARGIN_MM + 70, pdf.get_y() + 0.6, MARGIN_MM + WIDTH_MM, pdf.get_y() + 0.6)
            pdf.ln(1.4)
            pdf.set_x(MARGIN_MM + 70)
        pdf.cell(52, 5.6, label)
        pdf.cell(WIDTH_MM - 122, 5.6, f"{amount} GLM", align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(6)


def _notes(pdf: _Paper, texts: Iterable[str]) -> None:
    for text in texts:
        pdf.ink(8.5)
        pdf.text_block(text, x=MARGIN_MM, width=WIDTH_MM)
        pdf.ln(2)


# -- what is said -----------------------------------------------------------------------------------------


def _invoice_facts(invoice: Invoice) -> list[Row]:
    return [
        ("Date", _day(invoice.issued_at)),
        ("Period", f"{_instant(invoice.period_start)} to\n{_instant(invoice.period_end)} UTC"),
        ("Due", _day(invoice.due_at) if invoice.tax_glm else "prepaid"),
        ("Team", str(invoice.customer.get("team", invoice.team.slug))),
    ]


def _credit_facts(note: CreditNote) -> list[Row]:
    return [
        ("Date", _day(note.issued_at)),
        ("For invoice", f"{note.invoice.number}\nof {_day(note.invoice.issued_at)}"),
        ("Team", str(note.invoice.customer.get("team", note.invoice.team.slug))),
    ]


def _invoice_sums(invoice: Invoice) -> list[tuple[str, str, bool]]:
    rows = [("Used", plain(invoice.net_glm), False), *_tax_rows(invoice.taxes)]
    rows += [("Total", plain(invoice.total_glm), True), ("Prepaid", f"−{plain(invoice.net_glm)}", False)]
    if invoice.paid_glm:
        rows.append(("Paid since", f"−{plain(invoice.paid_glm)}", False))
    if invoice.credited_tax_glm and not invoice.is_terminal:
        rows.append(("Credited", f"−{plain(invoice.credited_tax_glm)}", False))
    return [*rows, ("To pay", plain(invoice.due_glm), True)]


def _credit_sums(note: CreditNote) -> list[tuple[str, str, bool]]:
    return [
        ("Credited", plain(note.net_glm), False),
        *_tax_rows(note.taxes),
        ("Total", plain(note.total_glm), True),
    ]


def _tax_rows(taxes: Iterable[dict[str, str]]) -> list[tuple[str, str, bool]]:
    return [(f"{tax['name']} {tax['percent']} %", tax["amount_glm"], False) for tax in taxes]


def _standing(invoice: Invoice) -> str:
    if invoice.is_terminal:
        return f"Paid on {_day(invoice.state_since)}. There is nothing left to pay."
    return (
        f"Please have {plain(invoice.due_glm)} GLM available in the team's main budget by"
        f" {_day(invoice.due_at)}: it is taken from there as soon as it is there."
    )


def _footer(paper: Invoice | CreditNote, invoice: Invoice) -> str:
    return (
        f"Signed with the key {invoice.issuer.get('key', '')}. Whoever has the JSON of {paper.number}"
        f" recomputes it offline, to the last digit: hive verify-invoice {paper.number}.json"
    )


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _instant(at: datetime) -> str:
    return f"{at.day} {at:%b %Y %H:%M:%S}"


def _span(seconds: str) -> str:
    """h:mm:ss."""
    whole = int(Decimal(seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _bytes(count: int) -> str:
    size, unit = Decimal(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
