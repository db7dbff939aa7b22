"""Requests that say what nobody reads are refused: a limit that is misspelt must not be no limit."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from rest_framework import serializers

T = TypeVar("T")

ELSEWHERE = {"team": "the address says which, with ?team="}
"""What is said in another place than the body."""


class StrictSerializer(serializers.Serializer[T]):
    """Takes its own fields and no others."""

    def to_internal_value(self, data: Any) -> Any:
        known = [name for name, field in self.fields.items() if not field.read_only]
        unknown = [str(name) for name in data if name not in known] if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({"non_field_errors": [_told(name, known) for name in unknown]})
        return super().to_internal_value(data)


def _told(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = ELSEWHERE.get(name) or (f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}")
    return f'unknown field "{name[:80]}": {hint}'
