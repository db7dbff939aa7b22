"""A filter as a tree of small values, and whether it holds for a set of properties.

Three-valued, as Golem's resolver and LDAP (RFC 4511, 4.5.1.7) are: a property that is not there makes its
comparison neither true nor false, and so its negation too. What is not true does not meet the filter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, assert_never


class Operator(StrEnum):
    EQUAL = "="
    AT_LEAST = ">="
    AT_MOST = "<="
    ABOVE = ">"
    BELOW = "<"

    @property
    def is_ordering(self) -> bool:
        return self is not Operator.EQUAL


class Kind(StrEnum):
    """As what both sides are read; `name$d` and `name$v` ask for one, as GAP-34 writes it."""

    ANY = ""
    """As the property's own type: number, text, truth, or list."""
    DECIMAL = "d"
    """A number, also one that is written as text."""
    VERSION = "v"
    """Numbers between dots; what follows a hyphen or a plus is not compared."""


NUMBER: Final = r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})([eE][+-]?[0-9]{1,3})?"
"""What is read as a number: within what PostgreSQL's `numeric` can hold, whatever a Bee has written.

The same text is a regular expression of Python and of PostgreSQL.
"""
VERSION: Final = r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}([-+][^\n]*)?"


@dataclass(frozen=True, slots=True)
class Every:
    """All of them; of nothing: true."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them; of nothing: false."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class Present:
    """The property is there. Never undefined."""

    name: str


@dataclass(frozen=True, slots=True)
class Like:
    """A text, or a member of a list, that has these pieces in order, anything between them."""

    name: str
    pieces: tuple[str, ...]
    """At least two: "eu-*" has "eu-" and ""."""


@dataclass(frozen=True, slots=True)
class Compare:
    name: str
    operator: Operator
    value: str
    kind: Kind = Kind.ANY


Filter = Every | Some | Not | Present | Like | Compare
Properties = Mapping[str, Any]
"""By name: what JSON can say, and Decimal."""


def holds(tree: Filter, properties: Properties) -> bool:
    """Whether these properties meet the filter: the meaning that `sql.to_q` has to agree with."""
    return _truth(tree, properties) is True


def names_in(tree: Filter) -> Iterator[tuple[str, Filter]]:
    """Each property that the filter asks for, with the place that does."""
    match tree:
        case Every(parts) | Some(parts):
            for part in parts:
                yield from names_in(part)
        case Not(part):
            yield from names_in(part)
        case Present(name) | Like(name, _) | Compare(name, _, _, _):
            yield name, tree
        case _:
            assert_never(tree)


def number_of(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(NUMBER, text) else None


def version_of(text: str) -> list[int] | None:
    """ "1.2-rc1" -> [1, 2, 0, 0]."""
    if not re.fullmatch(VERSION, text):
        return None
    numbers = [int(number) for number in re.split(r"[-+]", text)[0].split(".")]
    return [*numbers, 0, 0, 0][:4]


def _truth(tree: Filter, properties: Properties) -> bool | None:
    match tree:
        case Every(parts):
            found = {_truth(part, properties) for part in parts}
            return False if False in found else None if None in found else True
        case Some(parts):
            found = {_truth(part, properties) for part in parts}
            return True if True in found else None if None in found else False
        case Not(part):
            truth = _truth(part, properties)
            return None if truth is None else not truth
        case Present(name):
            return properties.get(name) is not None
        case Like(name, pieces):
            return _any_of(properties.get(name), lambda one: isinstance(one, str) and _is_like(one, pieces))
        case Compare():
            return _compared(tree, properties.get(tree.name))
        case _:
            assert_never(tree)


def _any_of(value: Any, meets: Callable[[Any], bool]) -> bool | None:
    """Of a list it is enough that one member does."""
    if value is None:
        return None
    return any(map(meets, value)) if isinstance(value, list) else meets(value)


def _compared(tree: Compare, value: Any) -> bool | None:
    if tree.kind is Kind.DECIMAL:
        number = _number(value) if not isinstance(value, str) else number_of(value)
        return None if number is None else _in_order(number, tree.operator, Decimal(tree.value))
    if tree.kind is Kind.VERSION:
        version = version_of(value) if isinstance(value, str) else None
        return None if version is None else _in_order(version, tree.operator, version_of(tree.value))
    if isinstance(value, list) and tree.operator.is_ordering:
        return False
    return _any_of(value, lambda one: _meets(one, tree))


def _meets(value: Any, tree: Compare) -> bool:
    """One value that is there, by its own type; false where the two are of different kinds."""
    if isinstance(value, bool):
        return tree.operator is Operator.EQUAL and tree.value == str(value).lower()
    if isinstance(value, str):
        return _in_order(value, tree.operator, tree.value)
    number, asked = _number(value), number_of(tree.value)
    return number is not None and asked is not None and _in_order(number, tree.operator, asked)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return number if number.is_finite() else None


def _in_order(value: Any, operator: Operator, asked: Any) -> bool:
    match operator:
        case Operator.EQUAL:
            return bool(value == asked)
        case Operator.AT_LEAST:
            return bool(value >= asked)
        case Operator.AT_MOST:
            return bool(value <= asked)
        case Operator.ABOVE:
            return bool(value > asked)
        case Operator.BELOW:
            return bool(value < asked)


def _is_like(text: str, pieces: tuple[str, ...]) -> bool:
    """Each piece is taken at the first place where it fits, so that the time is that of the text's length."""
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
