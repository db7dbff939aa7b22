"""A filter's text to its tree, by a grammar; and the limits within which anybody may send one."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from apps.market.filters.items import item
from apps.market.filters.problems import FilterError
from apps.market.filters.tree import Every, Filter, Not, Some

MAX_CHARACTERS = 4096
MAX_DEPTH = 16
MAX_COMPARISONS = 100

GRAMMAR: Final = r"""
    ?filter: "(" ")"                     -> anything
           | "(" "&" filter* ")"         -> every
           | "(" "|" filter* ")"         -> some
           | "(" "!" filter ")"          -> negated
           | "(" NAME OPERATOR VALUE? ")" -> item

    OPERATOR: ">=" | "<=" | "<>" | "!=" | ">" | "<" | "="
    // May hold "!", as golem.!exp.gap-35.v1.inf.gpu.model does, but neither first nor before "=".
    NAME: /(?![&|!])(?:[^()=<>\\~*\s!]|!(?!=))+/
    // All up to the bracket; escapes and wildcards in it are read afterwards.
    VALUE.2: /[^()\s][^()]*/

    %ignore /\s+/
"""
"""Golem's constraints by GAP-34, itself after LDAP's search filters (RFC 4515).

More than those: `()` is true, as yapapi writes it; `!=` and `<>` mean `(!(name=value))`; blanks around a
value are not part of it.
"""

_WORDS: Final = {
    "LPAR": '"("',
    "RPAR": '")"',
    "NAME": "the name of a property",
    "OPERATOR": "one of = != >= <= > <",
    "VALUE": "a value",
    "AMPERSAND": '"&"',
    "VBAR": '"|"',
    "BANG": '"!"',
    "$END": "the end",
}


@lru_cache(maxsize=1024)
def parse(text: str) -> Filter:
    """The tree of a filter; nothing at all asks for nothing.

    Raises:
        FilterError: with the position, what was expected there, and what was found.
    """
    if not text.strip():
        return Every(())
    _check_limits(text)
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    try:
        return _Builder(text).transform(tree)
    except VisitError as error:
        raise error.orig_exc from None


def together(texts: list[str]) -> str:
    """One filter that holds where all of these do."""
    asked = [text.strip() for text in texts if text.strip()]
    return asked[0] if len(asked) == 1 else f"(&{''.join(asked)})" if asked else ""


def _check_limits(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        message = f"expected at most {MAX_CHARACTERS} characters, got {len(text)}"
        raise FilterError(text, MAX_CHARACTERS, message)
    depth = comparisons = 0
    for index, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise FilterError(text, index, "half a character, or the character 0: neither is text")
        depth += (character == "(") - (character == ")")
        comparisons += character == "("
        if depth > MAX_DEPTH:
            raise FilterError(text, index, f"nested deeper than {MAX_DEPTH} levels")
        if comparisons > MAX_COMPARISONS:
            raise FilterError(text, index, f"more than {MAX_COMPARISONS} brackets")


def _explained(text: str, error: UnexpectedInput) -> FilterError:
    index, expected = _place_of(text, error)
    found = text[index : index + 1]
    if found == "~":
        return FilterError(
            text, index, "~= is not Golem's: compare with = and wildcards, as in (name=*word*)"
        )
    words = [_WORDS[name] for name in sorted(expected or {"$END"}, key=list(_WORDS).index)]
    there = f'"{found}"' if found.strip() else "the end"
    remedy = ": to ask for several write (&(...)(...))" if words == ["the end"] else ""
    return FilterError(text, index, f"expected {' or '.join(words)}, found {there}{remedy}")


def _place_of(text: str, error: UnexpectedInput) -> tuple[int, Collection[str]]:
    """Where it is, from 0, and what would have been right there."""
    if isinstance(error, UnexpectedCharacters):
        return error.pos_in_stream or 0, error.allowed or ()
    assert isinstance(error, UnexpectedToken)  # what an LALR parser raises besides
    ended = error.token.type == "$END"
    return len(text.rstrip()) if ended else error.token.start_pos or 0, error.accepts or error.expected


@v_args(inline=True)
class _Builder(Transformer[Token, Filter]):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def anything(self) -> Filter:
        return Every(())

    def every(self, *parts: Filter) -> Filter:
        return Every(parts)

    def some(self, *parts: Filter) -> Filter:
        return Some(parts)

    def negated(self, part: Filter) -> Filter:
        return Not(part)

    def item(self, name: Token, operator: Token, value: Token | None = None) -> Filter:
        return item(self.text, name, operator, value)


_PARSER = Lark(GRAMMAR, start="filter", parser="lalr")
