"""Amounts in the admin: every digit that counts, no zeros behind it, and the unit beside the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display

from apps.money import GlmField, plain


class PlainAmounts:
    """For pages and inlines: shows amounts that can't be typed into as people write them."""

    model: type[Model]
    unit: ClassVar[str] = "GLM"
    """Of amounts whose name doesn't end in _coin; empty where rows are of several currencies."""

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._plain(super().get_list_display(request))  # type: ignore[misc]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)  # type: ignore[misc]
        may_type = self.has_change_permission(request, obj)  # type: ignore[attr-defined]
        return fields if obj is None or may_type else self._plain(fields)

    def _plain(self, names: Iterable[Any]) -> list[Any]:
        return [_amount_column(self.model, name, self.unit) or name for name in names]


class PlainAmountRows(PlainAmounts):
    """For inlines, in which nothing is typed into."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_readonly_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self._plain(self.fields)  # type: ignore[attr-defined]  # each inline names its own


@cache
def _amount_column(model: type[Model], name: Any, unit: str) -> Callable[[Any], str] | None:
    """None for what is no amount. The same object each time: Django compares columns."""
    try:
        field = model._meta.get_field(name)
    except (FieldDoesNotExist, TypeError):
        return None
    if not isinstance(field, GlmField):
        return None

    @display(description=_label(str(field.verbose_name), unit=unit), ordering=name)
    def column(row: Any) -> str:
        amount = getattr(row, name)
        return "–" if amount is None else plain(amount)

    column.__name__ = name  # where the help text is looked up
    return column


def _label(verbose_name: str, *, unit: str) -> str:
    """`limit glm` -> Limit, GLM."""
    words = verbose_name.split()
    if words[-1] in ("glm", "coin"):
        unit = settings.HIVE_COIN if words.pop() == "coin" else "GLM"
    return ", ".join(filter(None, (" ".join(words).capitalize(), unit)))
