"""What is wrong with a filter, with the place in it."""

from __future__ import annotations

_AROUND = 40
"""So many characters before the place are quoted, and half as many after it."""


class FilterError(ValueError):
    """A filter that can't be read. `position` counts characters from 1."""

    def __init__(self, text: str, index: int, message: str) -> None:
        self.text, self.position = text, index + 1
        super().__init__(f"at position {self.position}: {message} {_pointed(text, index)}".rstrip())


def _pointed(text: str, index: int) -> str:
    """The text around the place, which an arrow points at: `(a>= <-- here )`."""
    before, after = text[:index], text[index : index + _AROUND // 2]
    cut = f"…{before[-_AROUND:]}" if len(before) > _AROUND else before
    more = "…" if len(text) > index + _AROUND // 2 else ""
    quoted = " ".join(f"{cut} <-- here {after}{more}".split())
    return f"({quoted})" if text.strip() else ""
