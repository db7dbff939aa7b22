"""Names are drawn in any script there is a font for, and read back as they are; the rest shows as a sign."""

from datetime import UTC, datetime

import pypdfium2
import pytest
from fontTools.ttLib import TTFont

from apps.billing.invoicing import letters
from apps.billing.invoicing.letters import (
    BOLD,
    CHINESE,
    EMOJI,
    JAPANESE,
    KOREAN,
    REGULAR,
    families_for,
    letters_of,
    write_font,
)
from apps.billing.invoicing.sheet import SIGN, Column, Group, Sheet

AT = datetime(2026, 5, 1, tzinfo=UTC)
NOTHING = "letter that this paper has no font for"


def sheet() -> Sheet:
    return Sheet(title="Invoice", footer="Signed.", author="Golem Hive", created_at=AT)


def read(of: Sheet) -> str:
    """What a reader of the PDF copies out of it, line by line."""
    document = pypdfium2.PdfDocument(bytes(of.output()))
    told = "\n".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return told.replace("\r", "")


@pytest.mark.parametrize(
    "name",
    [
        "Bäckerei “Zur Biene”",
        "Пекарня «Пчела»",
        "Αρτοποιείο Η Μέλισσα",
        "蜂の巣ベーカリー",
        "北京市东城区东长安街",
        "臺北市信義區",
        "서울특별시 종로구 세종대로",
        "Mixed 蜂 и пчела 🐝 end",
    ],
)
def test_it_draws_names_as_they_are(name):
    paper = sheet()
    customer = {"name": f"Team {name}", "address": f"{name}\nÉlysée"}
    paper.parties(customer=customer, title="To", facts=[("Team", name)])
    paper.table_of((Column("Service", 90, "LEFT"), Column("Node", 40), Column("GLM", 44)), [Group(name, "1")])
    told = read(paper)
    assert told.count(name) == 4
    assert "Élysée" in told, "the line after it is drawn with the right font"
    assert NOTHING not in told


def test_what_no_font_has_shows_as_a_sign_and_is_said():
    paper = sheet()
    paper.notes(["கடை 蜂", "web\twith\u200b a\ufe0f tab"])
    told = read(paper)
    assert f"{SIGN * 3} 蜂" in told
    assert "web with a tab" in told
    assert NOTHING in told


def test_it_draws_signs_where_setup_has_made_no_fonts(monkeypatch, tmp_path):
    monkeypatch.setattr(letters, "MADE", tmp_path)
    letters._index.cache_clear()
    try:
        paper = sheet()
        paper.notes(["蜂の巣 Пчела"])
        told = read(paper)
    finally:
        letters._index.cache_clear()
    assert f"{SIGN * 3} Пчела" in told
    assert NOTHING in told


@pytest.mark.parametrize(
    ("text", "first"),
    [("蜂の巣", JAPANESE), ("パン", JAPANESE), ("벌집 蜂", KOREAN), ("蜂巢", CHINESE), ("🐝", CHINESE)],
)
def test_it_draws_signs_as_the_language_does(text, first):
    families = families_for(text)
    assert (families[0], families[-1], len(set(families))) == (first, EMOJI, 5)


def test_its_fonts_have_the_letters_that_are_needed_and_no_other(tmp_path):
    found = letters_of("蜂巢🐝க", families_for("蜂"), weight=BOLD)
    assert set(found) == {"蜂", "巢", "🐝"}
    write_font(found, path := tmp_path / "letters.ttf", weight=BOLD)
    with TTFont(path) as font:
        assert set(font.getBestCmap()) == {ord(each) for each in found}
        assert font["hmtx"][font.getBestCmap()[ord("蜂")]][0] == 1000
    regular = letters_of("蜂", families_for("蜂"), weight=REGULAR)["蜂"]
    assert regular.outline.coordinates != found["蜂"].outline.coordinates, "bold is bolder"
