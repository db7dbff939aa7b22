"""One comparison of a filter: its name, its operator, and its value with escapes and wildcards read."""

from __future__ import annotations

import re

from lark import Token

from apps.market.filters.problems import FilterError
from apps.market.filters.tree import (
    Compare,
    Filter,
    Kind,
    Like,
    Not,
    Operator,
    Present,
    number_of,
    version_of,
)

MAX_NAME = 200
MAX_NUMBER = 64
MAX_WILDCARDS = 16
"""Each may make the database look through the whole of a text once more."""

_NAME = re.compile(r"([^$\[\]]+)(\[[^\]]*\])?(?:\$(.*))?")
_ESCAPED = re.compile(r"(?:\\[0-9a-fA-F]{2})+")
_NEGATED = {"!=", "<>"}
_DIGITS = set("0123456789+-.eE")
_WRONG_WAY_ROUND = {">": ">=", "<": "<=", "=": "="}


def item(text: str, name: Token, operator: Token, value: Token | None) -> Filter:
    """What `(name operator value)` says. Raises FilterError."""
    property_name, kind = _name(text, name)
    if operator in _NEGATED:
        return Not(_equality(text, property_name, kind, _place(operator, value), value or ""))
    sign = Operator(operator)
    if sign is Operator.EQUAL:
        return _equality(text, property_name, kind, _place(operator, value), value or "")
    if value is None:
        raise FilterError(text, _place(operator, value), "expected a value")
    return _ordering(text, property_name, kind, sign, value)


def _place(operator: Token, value: Token | None) -> int:
    """Where the value is, or should be."""
    index = operator.end_pos if value is None else value.start_pos
    assert index is not None  # the parser notes where its tokens are
    return index


def _name(text: str, token: Token) -> tuple[str, Kind]:
    start = token.start_pos or 0
    if len(token) > MAX_NAME:
        raise FilterError(text, start, f"expected a name of at most {MAX_NAME} characters")
    match = _NAME.fullmatch(token)
    if match is None:
        raise FilterError(text, start, "expected the name of a property, without brackets")
    if match[2] is not None:
        raise FilterError(
            text, start + match.start(2), "aspects of a property can't be asked for: none has one"
        )
    try:
        return match[1], Kind(match[3] or "") if match[3] is not None else Kind.ANY
    except ValueError:
        kinds = "$d for a number or $v for a version"
        raise FilterError(text, start + match.start(3) - 1, f"expected {kinds}") from None


def _equality(text: str, name: str, kind: Kind, place: int, value: str) -> Filter:
    if value[:1] in _WRONG_WAY_ROUND:
        better = _WRONG_WAY_ROUND[value[0]]
        raise FilterError(text, place - 1, f'"={value[0]}" is no operator: write {better}')
    pieces = _pieces(text, place, value)
    if len(pieces) == 1:
        return _compare(text, place, name, Operator.EQUAL, pieces[0], kind)
    if not any(pieces):
        return Present(name)
    if kind is not Kind.ANY:
        raise FilterError(text, place, f"${kind} compares whole values: leave the wildcard or ${kind} out")
    return Like(name, pieces)


def _ordering(text: str, name: str, kind: Kind, sign: Operator, value: Token) -> Filter:
    place = value.start_pos or 0
    pieces = _pieces(text, place, value)
    if len(pieces) > 1:
        message = "a wildcard goes with = only; for an asterisk itself write \\2a"
        raise FilterError(text, place + value.index("*"), message)
    return _compare(text, place, name, sign, pieces[0], kind)


def _compare(text: str, place: int, name: str, sign: Operator, value: str, kind: Kind) -> Compare:
    number = number_of(value)
    if len(value) > MAX_NUMBER and set(value) <= _DIGITS:
        raise FilterError(text, place, f"expected a number of at most {MAX_NUMBER} characters")
    if kind is Kind.DECIMAL and number is None:
        raise FilterError(text, place, "expected a number, as $d asks for")
    if kind is Kind.VERSION and version_of(value) is None:
        raise FilterError(text, place, "expected a version such as 1.2.3, as $v asks for")
    return Compare(name, sign, value, kind)


def _pieces(text: str, place: int, value: str) -> tuple[str, ...]:
    """What stands between wildcards, without the blanks around the value, escapes read."""
    found, index = [], place
    stripped = value.rstrip()
    if stripped.count("*") > MAX_WILDCARDS:
        raise FilterError(text, place, f"expected at most {MAX_WILDCARDS} wildcards in a value")
    for piece in stripped.split("*"):
        found.append(_unescaped(text, index, piece))
        index += len(piece) + 1
    if len(found) > 2:  # two wildcards in a row are one
        found = [found[0], *filter(None, found[1:-1]), found[-1]]
    return tuple(found)


def _unescaped(text: str, place: int, piece: str) -> str:
    """Each run of escapes is the UTF-8 of a text: `\\c4\\8d` is "č"."""

    def read(match: re.Match[str]) -> str:
        try:
            plain = bytes.fromhex(match[0].replace("\\", "")).decode()
        except UnicodeDecodeError:
            message = f"{match[0]} is no text: escape the bytes of its UTF-8"
            raise FilterError(text, place + match.start(), message) from None
        if "\0" in plain:
            raise FilterError(text, place + match.start(), "the character 0 is not text: no property has it")
        return plain

    lone = re.search(r"\\(?![0-9a-fA-F]{2})", piece)
    if lone:
        message = "expected two hexadecimal digits after \\; for a backslash itself write \\5c"
        raise FilterError(text, place + lone.start() + 1, message)
    return _ESCAPED.sub(read, piece)
