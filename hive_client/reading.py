"""From JSON to dataclasses and back: amounts as `Decimal`, instants as aware `datetime`."""

from __future__ import annotations

import dataclasses
import types
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read(kind: type[T], data: dict[str, Any]) -> T:
    """Build the dataclass `kind`. A newer Hive may say more than this client knows: that is left out."""
    hints = _hints(kind)  # type: ignore[arg-type]  # mypy doubts that a class is hashable
    names = [field.name for field in dataclasses.fields(kind) if field.name in data]  # type: ignore[arg-type]
    return kind(**{name: _value(hints[name], data[name]) for name in names})


def plain(value: Any) -> Any:
    """What `json.dumps` takes: amounts as strings, so that no digit is lost."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in {Union, types.UnionType}:
        hint = next(option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is list:
        return [_value(get_args(hint)[0], item) for item in value]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value)
    if hint is Decimal:
        return Decimal(value)
    return datetime.fromisoformat(value) if hint is datetime else value
