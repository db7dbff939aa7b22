"""A sheet of paper for people who pay: what all PDFs of the Hive look alike in. A4; amounts are exact.

The fonts are DejaVu's, embedded as far as they are used: names in Latin, Greek or Cyrillic letters show as
they are. Chinese, Japanese, Korean and emoji come from Noto (letters.py). What neither has shows as a sign;
the footer says so. The JSON, which is the document that proves something, has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TextEmphasis, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from apps.billing.invoicing.letters import BOLD, REGULAR, families_for, letters_of, write_font
from apps.billing.invoicing.sums import Sum
from apps.money import plain

FONTS = Path(__file__).parent / "fonts"
INK, MUTED, LINE, WASH, HONEY = (27, 24, 20), (115, 108, 99), (222, 216, 207), (250, 246, 238), (214, 143, 20)
MARGIN_MM, WIDTH_MM = 18, 174
BOTTOM_MM = 24
SIGN = "\ufffd"
"""Stands for a letter that no font here has."""
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]")
"""Joiners, marks of direction and choices of form: they have no shape of their own."""
QUIET_ZONE = 4
"""Empty modules around a QR code, without which scanners don't find it (ISO/IEC 18004)."""


class Group(NamedTuple):
    """A heading within a table, and what stands below it comes to."""

    name: str
    amount: str


class Column(NamedTuple):
    name: str
    width_mm: float
    align: str = "RIGHT"


class Sheet(FPDF):
    def __init__(self, *, title: str, footer: str, author: str, created_at: datetime) -> None:
        super().__init__(format="A4")
        self._footer = footer
        self._lacks_letters = False
        self._made = TemporaryDirectory(prefix="hive-letters-")
        self._families: list[str] = []
        self._found: dict[tuple[str, str], bool] = {}
        self.set_title(title)
        self.set_author(author)
        self.set_creation_date(created_at)
        self.set_lang("en-GB")
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=BOTTOM_MM)
        self._dejavu = {style: self._add_dejavu(style) for style in ("", "B")}
        self._running_title = title
        self.ink(9)
        self.add_page()

    def _add_dejavu(self, style: str) -> frozenset[int]:
        """Returns the letters that it has."""
        path = FONTS / f"DejaVuSans{'-Bold' if style else ''}.ttf"
        self.add_font("DejaVu", style=style, fname=path)
        added = self.fonts[f"dejavu{style}"]
        return frozenset(added.cmap) if isinstance(added, TTFFont) else frozenset()

    def header(self) -> None:
        """A band of honey; from the second page on also what it is a page of."""
        self.set_fill_color(*HONEY)
        self.rect(0, 0, 210, 2.2, style="F")
        self.set_fill_color(255)
        if self.page_no() > 1:
            self.ink(7.5, color=MUTED)
            self.set_y(10)
            self.cell(WIDTH_MM, 4, self._running_title, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            self.set_y(MARGIN_MM)

    def footer(self) -> None:
        self.set_y(-18)
        self.ink(6.5, color=MUTED)
        lacking = (
            f" {SIGN} stands for a letter that this paper has no font for." if self._lacks_letters else ""
        )
        told = f"{self._footer}{lacking}"
        self.multi_cell(WIDTH_MM - 26, 3.4, told, align="L", new_x=XPos.RIGHT, new_y=YPos.TOP)
        self.cell(26, 3.4, f"{self.page_no()} / {{nb}}", align="R")

    def ink(self, size: float, *, bold: bool = False, color: tuple[int, int, int] = INK) -> None:
        self.set_font("DejaVu", style="B" if bold else "", size=size)
        self.set_text_color(*color)

    def text_block(self, text: str, *, x: float, width: float, height: float = 4.6, align: str = "L") -> None:
        self.set_x(x)
        self.multi_cell(width, height, text, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)

    # -- letters that DejaVu has not ----------------------------------------------------------------------

    def normalize_text(self, text: str) -> str:
        """All text comes by here before it is measured or drawn: no letter of it is left out unseen."""
        text = UNSEEN.sub("", super().normalize_text(text)).replace("\t", " ")
        style = "B" if "B" in self.font_style else ""
        missing = {each for each in text if ord(each) not in self._dejavu[style]} - {"\n", "\r"}
        if not missing:
            return text
        self._find_letters({each for each in missing if (each, style) not in self._found}, text, style=style)
        lacking = {each for each in missing if not self._found[each, style]}
        self._lacks_letters |= bool(lacking)
        return "".join(SIGN if each in lacking else each for each in text)

    def _find_letters(self, characters: set[str], text: str, *, style: str) -> None:
        """Make a font of those that there are: from then on they are drawn with it."""
        weight = BOLD if style else REGULAR
        letters = letters_of(characters, families_for(text), weight=weight)
        self._found |= {(each, style): each in letters for each in characters}
        if letters:
            family = f"letters-{len(self._families)}"
            path = Path(self._made.name) / f"{family}.ttf"
            write_font(letters, path, weight=weight)
            self.add_font(family, style=style, fname=path)
            self._families.append(family)
            self.set_fallback_fonts(self._families, exact_match=False)

    def _render_styled_text_line(self, *args: Any, **kwargs: Any) -> bool:
        """Each line says its font. Where one begins with a letter of another, fpdf2 2.8.9 sets the page's own
        within that line alone and takes it for set from then on: the next would be drawn with any other.
        """
        if self._families:
            self.current_font_is_set_on_page = False
        return super()._render_styled_text_line(*args, **kwargs)

    # -- its parts, from top to bottom --------------------------------------------------------------------

    def head(self, *, issuer: dict[str, Any], name: str, number: str) -> None:
        """Whom it is from on the left, what it is on the right."""
        top = self.get_y()
        self.ink(13, bold=True)
        self.text_block(str(issuer.get("name", "")), x=MARGIN_MM, width=88, height=6)
        self.ink(8, color=MUTED)
        tax_id = issuer.get("tax_id")
        told = [issuer.get("address"), f"Tax number {tax_id}" if tax_id else "", issuer.get("email")]
        if any(told):
            self.text_block("\n".join(filter(None, told)), x=MARGIN_MM, width=88, height=4.2)
        left_end = self.get_y()
        self.set_y(top)
        self.ink(20, bold=True)
        self.text_block(name, x=MARGIN_MM + 90, width=WIDTH_MM - 90, height=8, align="R")
        self.ink(10, color=MUTED)
        self.text_block(number, x=MARGIN_MM + 90, width=WIDTH_MM - 90, height=6, align="R")
        self.set_y(max(self.get_y(), left_end) + 8)

    def parties(self, *, customer: dict[str, Any], title: str, facts: Iterable[tuple[str, str]]) -> None:
        """Whom it is to on the left, dates and numbers on the right."""
        top = self.get_y()
        self.ink(7.5, color=MUTED)
        self.text_block(title, x=MARGIN_MM, width=88)
        self.ink(10, bold=True)
        self.text_block(str(customer.get("name", "")), x=MARGIN_MM, width=88, height=5.4)
        self.ink(9)
        tax_id = customer.get("tax_id")
        told = [customer.get("address"), f"Tax number {tax_id}" if tax_id else ""]
        if any(told):
            self.text_block("\n".join(filter(None, told)), x=MARGIN_MM, width=88)
        left_end = self.get_y()
        self.set_y(top)
        for label, value in facts:
            self.set_x(MARGIN_MM + 100)
            self.ink(8, color=MUTED)
            self.cell(24, 5, label)
            self.ink(8)
            self.multi_cell(WIDTH_MM - 124, 5, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(max(self.get_y(), left_end) + 8)

    def figure(self, *, label: str, amount: str, words: str) -> None:
        """The one number that somebody looks for, in a box."""
        top = self.get_y()
        self.set_fill_color(*WASH)
        self.rect(MARGIN_MM, top, WIDTH_MM, 15, style="F", round_corners=True, corner_radius=1.5)
        self.set_fill_color(255)
        self.set_y(top + 2.6)
        self.ink(7.5, color=MUTED)
        self.text_block(label, x=MARGIN_MM + 4, width=60, height=4)
        self.ink(9)
        self.text_block(words, x=MARGIN_MM + 4, width=70, height=5)
        self.set_y(top + 4.2)
        self.ink(14 if len(amount) < 24 else 10.5, bold=True)
        self.text_block(amount, x=MARGIN_MM + 64, width=WIDTH_MM - 68, height=7, align="R")
        self.set_y(top + 20)

    def table_of(self, columns: Sequence[Column], rows: Iterable[Sequence[str] | Group]) -> None:
        """Its head is repeated on each page."""
        bold = FontFace(emphasis=TextEmphasis.B, fill_color=WASH)
        self.ink(7.5)
        self.set_draw_color(*LINE)
        with self.table(
            col_widths=[column.width_mm for column in columns],
            text_align=[column.align for column in columns],
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis=TextEmphasis.B, color=MUTED, size_pt=7),
            line_height=3.9,
            padding=(1.3, 1),
        ) as table:
            table.row([column.name for column in columns])
            for row in rows:
                if isinstance(row, Group):
                    heading = table.row(style=bold)
                    heading.cell(row.name, colspan=len(columns) - 2)
                    heading.cell(row.amount, colspan=2)
                else:
                    table.row(row)
        self.ln(4)

    @contextmanager
    def together(self, height_mm: float) -> Any:
        """What is written inside stays on one page."""
        if self.will_page_break(height_mm):
            self.add_page()
        yield

    def sums(self, rows: Iterable[Sum]) -> None:
        self.set_draw_color(*INK)
        for row in rows:
            self.set_x(MARGIN_MM + 60)
            self.ink(10 if row.is_bold else 8.5, bold=row.is_bold)
            if row.is_bold:
                self.line(MARGIN_MM + 60, self.get_y() + 0.6, MARGIN_MM + WIDTH_MM, self.get_y() + 0.6)
                self.ln(1.4)
                self.set_x(MARGIN_MM + 60)
            top = self.get_y()
            self.multi_cell(54, 5.6, row.label, align="L", new_x=XPos.RIGHT, new_y=YPos.NEXT)
            end = self.get_y()
            self.set_xy(MARGIN_MM + 114, top)
            self.cell(WIDTH_MM - 114, 5.6, f"{row.amount} GLM", align="R")
            self.set_xy(MARGIN_MM, end)
        self.ln(4)

    def notes(self, texts: Iterable[str]) -> None:
        for text in filter(None, texts):
            self.ink(8.5)
            self.text_block(text, x=MARGIN_MM, width=WIDTH_MM)
            self.ln(2)

    def payment_box(self, *, title: str, facts: Iterable[tuple[str, str]], code: Sequence[str]) -> None:
        """What to pay with: facts to type on the left, and the same as a QR code on the right."""
        size_mm, top = 33, self.get_y()
        self.set_draw_color(*LINE)
        self.rect(MARGIN_MM, top, WIDTH_MM, size_mm + 6, round_corners=True, corner_radius=1.5)
        self._quick_response(code, x=MARGIN_MM + WIDTH_MM - size_mm - 3, y=top + 3, size_mm=size_mm)
        self.set_y(top + 4)
        self.ink(9, bold=True)
        self.text_block(title, x=MARGIN_MM + 4, width=WIDTH_MM - size_mm - 14, height=5)
        self.ln(1)
        for label, value in facts:
            self.set_x(MARGIN_MM + 4)
            self.ink(7.5, color=MUTED)
            self.cell(20, 4.6, label)
            self.ink(7.5)
            width = WIDTH_MM - size_mm - 34
            self.multi_cell(width, 4.6, value, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(top + size_mm + 10)

    def _quick_response(self, code: Sequence[str], *, x: float, y: float, size_mm: float) -> None:
        """A text of 0 and 1 per row; drawn as runs, so that no hairline shows between modules."""
        module = size_mm / (len(code) + 2 * QUIET_ZONE)
        self.set_fill_color(0)
        for row, modules in enumerate(code):
            for first, length in _runs(modules):
                left, upper = x + (first + QUIET_ZONE) * module, y + (row + QUIET_ZONE) * module
                self.rect(left, upper, length * module, module * 1.02, style="F")
        self.set_fill_color(255)


def _runs(modules: str) -> Iterable[tuple[int, int]]:
    """Where each run of 1 begins, and how long it is."""
    first = modules.find("1")
    while first >= 0:
        end = modules.find("0", first)
        end = len(modules) if end < 0 else end
        yield first, end - first
        first = modules.find("1", end)


# -- how things are said ----------------------------------------------------------------------------------


def day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def instant(at: datetime) -> str:
    return f"{at.day} {at:%b %Y %H:%M:%S}"


def clock(seconds: str | Decimal) -> str:
    """h:mm:ss, with as much of the last second as is billed: 0:00:06.779."""
    whole, rest = divmod(Decimal(seconds), 1)
    minutes, second = divmod(int(whole), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}{plain(rest).removeprefix('0')}"


def size(count: int) -> str:
    """Bytes."""
    amount, unit = Decimal(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
