"""One of many rows in a form of the admin: whatever was sent, the page can be shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class Choice(forms.ModelChoiceField):
    """What is no id at all is told beside the field, and not looked up to be shown in it."""

    def bound_data(self, data: Any, initial: Any) -> Any:
        told = super().bound_data(data, initial)
        try:
            self.to_python(told)
        except ValidationError:
            return None
        return told
