"""What a page asks about a key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from apps.market.keys.policy import LIMITS, RULES, KeyPolicy
from apps.market.keys.reading import read_lines
from apps.money import plain


class Lines(forms.CharField):
    """Entries of one of RULES, one in each line."""

    def __init__(self, rule: str, **kwargs: Any) -> None:
        self.rule = rule
        area = forms.Textarea(attrs={"class": "mono lines", "rows": 3, "spellcheck": "false"})
        super().__init__(required=False, max_length=200_000, widget=area, **kwargs)

    def clean(self, value: Any) -> list[str]:
        try:
            return read_lines(self.rule, super().clean(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


def _limit(label: str) -> forms.DecimalField:
    box = forms.NumberInput(attrs={"step": "any", "min": "0", "inputmode": "decimal"})
    return forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=28,  # below 10^10, as the ledger takes amounts
        decimal_places=18,
        label=label,
        widget=box,
    )


class AllowedForm(forms.Form):
    """What a key may; what is left empty is not limited."""

    providers = Lines("providers", label="Providers", help_text="Node ids, one in each line.")
    images = Lines("images", label="Images", help_text="Digests, sha256:… or sha3-256:…, one in each line.")
    signers = Lines(
        "signers", label="Signers", help_text="Public keys, Ed25519 or cosign's: PEM, or base64 in one line."
    )
    limit_glm = _limit("GLM in all")
    limit_per_day_glm = _limit("GLM a day (UTC)")
    limit_per_hour_glm = _limit("GLM an hour")
    requests_per_minute = forms.IntegerField(
        required=False, min_value=1, max_value=100_000, label="Requests a minute"
    )

    @classmethod
    def of(cls, policy: KeyPolicy) -> AllowedForm:
        """Filled in with what it may now."""
        initial = {name: getattr(policy, name) for name in (*RULES, *LIMITS)}
        return cls(initial={name: _typed(value) for name, value in initial.items()})


class NewKeyForm(AllowedForm):
    name = forms.CharField(max_length=80, label="What is it for?")
    valid_days = forms.TypedChoiceField(
        coerce=int,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")],
        initial=90,
        label="Valid for",
    )
    field_order = ("name", "valid_days")


def _typed(value: Any) -> Any:
    """As somebody would type it: saving the form as it came changes nothing."""
    return plain(value) if isinstance(value, Decimal) else value
