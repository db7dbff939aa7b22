"""Letters that DejaVu has not (Chinese, Japanese, Korean, emoji): a font of just those that a text needs.

Noto's fonts come in slices, each of about a hundred letters and all weights; `make setup` puts them below
`fonts/made`. Reading a slice takes a tenth of a second, so the letters that were drawn lately are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph

MADE = Path(__file__).parent / "fonts" / "made"
CHINESE, TRADITIONAL, JAPANESE, KOREAN = "noto-sans-sc", "noto-sans-tc", "noto-sans-jp", "noto-sans-kr"
EMOJI = "noto-emoji"
REGULAR, BOLD = 400, 700
"""Weights, by the axis `wght`."""
UNITS, ASCENT, DESCENT = 1000, 1160, -288
"""To the em; above and below the line. Noto Sans's own."""
KEPT = 1000
"""Sets of letters in memory, at most: those of one text in one slice; a letter takes about a kilobyte."""


class Letter(NamedTuple):
    """Its outline and width, in units of UNITS to the em."""

    outline: Glyph
    width: int


def families_for(text: str) -> tuple[str, ...]:
    """The same sign is drawn differently by language: who writes kana reads Japanese, and so on."""
    if any("\u3040" <= each <= "\u30ff" for each in text):
        return JAPANESE, CHINESE, TRADITIONAL, KOREAN, EMOJI
    if any("\uac00" <= each <= "\ud7a3" or "\u1100" <= each <= "\u11ff" for each in text):
        return KOREAN, CHINESE, TRADITIONAL, JAPANESE, EMOJI
    return CHINESE, TRADITIONAL, JAPANESE, KOREAN, EMOJI


def letters_of(characters: Iterable[str], families: tuple[str, ...], *, weight: int) -> dict[str, Letter]:
    """Of those that one of the families has, the first one going first."""
    found: dict[str, Letter] = {}
    for family in families:
        for path, within in _slices(family, set(characters) - found.keys()).items():
            found |= _drawn(path, frozenset(within), weight)
    return found


def write_font(letters: Mapping[str, Letter], path: Path, *, weight: int) -> None:
    """A TrueType font of these letters and no other."""
    names = {character: f"u{ord(character):05X}" for character in letters}
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})
    outlines = {names[each]: letter.outline for each, letter in letters.items()}
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), **outlines}, calcGlyphBounds=True)
    widths = {names[each]: letter.width for each, letter in letters.items()}
    table = builder.font["glyf"]
    builder.setupHorizontalMetrics(
        {
            name: (widths.get(name, UNITS), getattr(table[name], "xMin", 0))
            for name in builder.font.getGlyphOrder()
        }
    )
    builder.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
    builder.setupNameTable({"familyName": "Letters", "styleName": "Bold" if weight == BOLD else "Regular"})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=DESCENT, sCapHeight=733, usWeightClass=weight)
    builder.setupPost()
    builder.save(path)


# -- slices -----------------------------------------------------------------------------------------------


def _slices(family: str, characters: set[str]) -> dict[Path, set[str]]:
    """In which ranges they lie; whether a slice has all of its range is another question."""
    found: dict[Path, set[str]] = {}
    for name, ranges in _index(family):
        within = {each for each in characters if any(low <= ord(each) <= high for low, high in ranges)}
        if within:
            found[MADE / family / name] = within
    return found


@cache
def _index(family: str) -> tuple[tuple[str, tuple[tuple[int, int], ...]], ...]:
    """Of each slice its file and ranges; none where `make setup` has made nothing."""
    path = MADE / family / "unicode.json"
    if not path.exists():
        return ()
    told: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        (f"{family}-{key[1:-1]}-wght-normal.woff2", tuple(map(_range, ranges.split(","))))
        for key, ranges in told.items()
        if key.startswith("[")
    )


def _range(told: str) -> tuple[int, int]:
    """U+4e00-4e0f, or one letter."""
    first, _, last = told.strip().removeprefix("U+").partition("-")
    return int(first, 16), int(last or first, 16)


@lru_cache(maxsize=KEPT)
def _drawn(path: Path, characters: frozenset[str], weight: int) -> dict[str, Letter]:
    """Those of them that the slice has."""
    with TTFont(path, lazy=True, recalcTimestamp=False) as font:
        names, scale = font.getBestCmap(), UNITS / font["head"].unitsPerEm
        here = [each for each in characters if ord(each) in names]
        glyphs = font.getGlyphSet(location={"wght": weight})
        return {each: _letter(glyphs[names[ord(each)]], scale) for each in here}


def _letter(glyph: Any, scale: float) -> Letter:
    pen = TTGlyphPen(None)
    glyph.draw(TransformPen(pen, (scale, 0, 0, scale, 0, 0)))
    return Letter(pen.glyph(), round(glyph.width * scale))
