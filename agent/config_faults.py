"""What is wrong with bee.toml, told to its owner: which key, what was expected, what stands there."""

from __future__ import annotations

import re
import types
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`")
_MISSING_KEY = re.compile(r"Object missing required field `(.*)`")
_OTHER_WORD = re.compile(r"Invalid enum value (.*)")
_OWN_KEY = re.compile(r"(\w+): .*", re.DOTALL)
_WORDS = {
    "`array`": "a list in [ ]",
    "`object`": "a table of keys",
    "`str`": "text in quotes",
    "`bool`": "true or false",
}


def in_words(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> str:
    """`kind` is what the file was read as."""
    fault = _FAULT.fullmatch(str(error))
    what, place = (fault["what"], fault["place"] or "") if fault else (str(error), "")
    found = _type_at(kind, place)
    if unknown := _UNKNOWN_KEY.fullmatch(what):
        return f"{_within(place, unknown[1])}: there is no such key here, only {', '.join(_fields(found))}"
    if missing := _MISSING_KEY.fullmatch(what):
        return f"{_within(place, missing[1])} is missing"
    if (other := _OTHER_WORD.fullmatch(what)) and get_origin(found) is Literal:
        return f"{place}: expected one of {', '.join(map(str, get_args(found)))}, got {other[1]}"
    if what == "Invalid decimal string":
        return f"{place}: expected a number"
    if (own := _OWN_KEY.fullmatch(what)) and own[1] in _fields(found):
        return _within(place, what)
    for name, word in _WORDS.items():
        what = what.replace(name, word)
    what = what[:1].lower() + what[1:]
    return f"{place}: {what}" if place else what


def _within(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _type_at(kind: Any, place: str) -> Any:
    """Of the key at `place`, such as `prices.cost`; None where there is none."""
    for name in filter(None, place.split(".")):
        kind = _fields(kind).get(name)
        if get_origin(kind) in (Union, types.UnionType):
            kind = get_args(kind)[0]
    return kind


def _fields(kind: Any) -> dict[str, Any]:
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return {each.encode_name: each.type for each in msgspec.structs.fields(kind)} if is_struct else {}
