"""Requests that say what nobody reads are refused: a limit that is misspelt must not be no limit."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils import html

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


TOO_LARGE = dict.fromkeys(
    ("max_digits", "max_whole_digits"), "Expected an amount of GLM below 10^10, with at most 18 decimals."
)
"""Of a limit: what the number of digits means that it may have."""


class GlmLimit(serializers.DecimalField):
    """At most so much GLM, below 10^10 as in the ledger. Null is no limit; empty text is refused."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["error_messages"] = TOO_LARGE | kwargs.get("error_messages", {})
        super().__init__(max_digits=28, decimal_places=18, required=False, allow_null=True, **kwargs)

    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        """A form's empty box as it is, where Django REST framework takes it for null."""
        value = super().get_value(dictionary)
        return "" if value is None and html.is_html_input(dictionary) else value

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if isinstance(data, str) and not data.strip():
            raise serializers.ValidationError("expected an amount, or null for no limit")
        return super().validate_empty_values(data)


def must_say_nothing(request: Request) -> None:
    """For verbs that take no fields: whoever says something means what would not happen. Raises 400."""
    said = request.data
    names = [str(name)[:80] for name in said] if isinstance(said, Mapping) else ["body"] if said else []
    if names:
        raise serializers.ValidationError(
            {name: f'unknown field "{name}": none is taken here' for name in names}
        )


def _told(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = ELSEWHERE.get(name) or (f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}")
    return f'unknown field "{name[:80]}": {hint}'
