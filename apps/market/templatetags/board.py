"""How the market's pages write places, shares and changes."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.market.history.points import ALL

register = template.Library()


@register.filter
def runtime_name(runtime: str) -> str:
    return "all runtimes" if runtime == ALL else runtime


@register.filter
def region_name(region: str) -> str:
    return {ALL: "all regions", "": "region not known"}.get(region, region)


@register.filter
def percent(share: Decimal | float | None) -> str:
    """A share of 1 in whole percent."""
    return "–" if share is None else f"{float(share) * 100:.0f} %"


@register.filter
def signed_percent(percent: Decimal | None) -> str:
    """+12 %, −3 %; a share of a percent in one digit."""
    if percent is None:
        return "–"
    digits = 1 if abs(percent) < 1 else 0
    sign = "+" if percent > 0 else "−" if percent < 0 else "±"
    return f"{sign}{abs(percent):,.{digits}f} %"


@register.simple_tag
def fill(part: Decimal, whole: Decimal, words: str = "") -> SafeString:
    """A bar filled as far as `part` is of `whole`; `words` say the same to a screen reader."""
    width = 100 * min(part / whole, Decimal(1)) if whole else Decimal(0)
    return format_html(
        '<svg class="share" role="img" aria-label="{}">'
        '<rect class="available" width="{}" height="100%"/></svg>',
        words,
        f"{width:.2f}%",
    )


@register.simple_tag
def money(amount: Decimal | None, currency: str) -> SafeString:
    """An amount of a currency, which is an estimate or a list price: rounded for the eye."""
    if amount is None:
        return format_html('<span class="muted">{}</span>', "–")
    places = 2 if abs(amount) >= 1 or not amount else 4
    return format_html(
        '<data class="number nowrap" value="{}">{} <span class="unit">{}</span></data>',
        f"{amount:f}",
        f"{amount:,.{places}f}",
        currency,
    )
