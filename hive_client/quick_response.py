"""A QR code on a terminal: two modules to a character, so that they are about square."""

from __future__ import annotations

from collections.abc import Sequence

QUIET_ZONE = 4
"""Light modules around it, without which scanners don't find it (ISO/IEC 18004)."""
_GLYPHS = {("0", "0"): "█", ("0", "1"): "▀", ("1", "0"): "▄", ("1", "1"): " "}
"""Upper and lower module -> character. Light is drawn: most terminals are dark."""


def drawn(rows: Sequence[str]) -> str:
    """`rows` are of 0 and 1, 1 is dark."""
    width = max(map(len, rows), default=0) + 2 * QUIET_ZONE
    beside, above = "0" * QUIET_ZONE, ["0" * width] * QUIET_ZONE
    framed = [*above, *(beside + row + beside for row in rows), *above]
    if len(framed) % 2:
        framed.append("0" * width)
    pairs = zip(framed[::2], framed[1::2], strict=True)
    return "\n".join("".join(_GLYPHS[module] for module in zip(*pair, strict=True)) for pair in pairs)
