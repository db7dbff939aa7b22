"""How the pages write amounts, states, addresses and moments: one way each."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.billing.budgets.runway import AT_THIS_RATE, NEAR, Runway, instant_in_words
from apps.billing.invoicing.models import Invoice
from apps.billing.invoicing.paper import prices_in_words
from apps.billing.invoicing.sheet import clock
from apps.nodes.sizes import memory
from apps.teams.tones import tone

register = template.Library()
register.filter(tone)
register.filter(memory)
register.filter(clock)
register.filter(prices_in_words)

_DIGITS = 4


@register.simple_tag
def badge(state: str, words: str = "") -> SafeString:
    return format_html('<span class="badge {}">{}</span>', tone(state), words or state.replace("_", " "))


@register.simple_tag
def invoice_badge(invoice: Invoice) -> SafeString:
    """Amber as long as something is to pay."""
    tones = {"issued": "busy", "overdue": "bad"}
    return format_html(
        '<span class="badge {}">{}</span>', tones.get(invoice.state, "good"), invoice.get_state_display()
    )


@register.simple_tag
def cell(state: str, title: str = "") -> SafeString:
    """One cell of the comb; a screen reader hears its title."""
    picture = static("img/cells.svg") + "#cell"
    return format_html(
        '<svg class="cell {}" role="img"><title>{}</title><use href="{}"/></svg>',
        tone(state),
        title or state,
        picture,
    )


def figures(amount: Decimal, *, rounding: str = ROUND_HALF_EVEN) -> str:
    """An amount for the eye: two places from 1 on, four significant digits below."""
    if amount == 0:
        return "0"
    if abs(amount) >= 1:
        return f"{amount.quantize(Decimal('0.01'), rounding):,f}"
    text = f"{Context(prec=_DIGITS, rounding=rounding).plus(amount):f}"
    return text.rstrip("0") if "." in text else text


@register.simple_tag
def glm(amount: Decimal | str | int | None, unit: str = "GLM", rounding: str = ROUND_HALF_EVEN) -> SafeString:
    """Rounded for the eye, exact in the tooltip."""
    if amount is None or amount == "":
        return format_html('<span class="muted">{}</span>', "–")
    exact = Decimal(amount)
    full = f"{exact:f}".rstrip("0").rstrip(".") if "." in f"{exact:f}" else f"{exact:f}"
    return format_html(
        '<data class="number nowrap" value="{}" title="{} GLM">{} <span class="unit">{}</span></data>',
        full, full, figures(exact, rounding=rounding), unit,
    )  # fmt: skip


@register.simple_tag
def purse(available_glm: Decimal) -> SafeString:
    """What may be spent: never shown as more than it is."""
    return glm(available_glm, rounding=ROUND_DOWN)


@register.filter
def plain(number: Decimal | str | None) -> str:
    """A decimal without the zeros nobody needs: 2.000 -> 2."""
    if number is None or number == "":
        return "–"
    text = f"{Decimal(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@register.filter
def short(address: str) -> str:
    """0x1234…cdef, for where the whole of it is a tooltip or a link away."""
    text = str(address)
    return text if len(text) <= 13 else f"{text[:6]}…{text[-4:]}"


@register.simple_tag
def moment(at: datetime | None) -> SafeString:
    """An instant: UTC here, the reader's own clock once live.js has run; the full instant in the tooltip."""
    if at is None:
        return format_html('<span class="muted">{}</span>', "–")
    near = abs(at - timezone.now()) < timedelta(hours=20)
    words = f"{at:%H:%M:%S}" if near else f"{at:%d %b %Y, %H:%M}"
    return format_html(
        '<time class="nowrap" datetime="{}" title="{} UTC" data-moment="{}">{}</time>',
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", "time" if near else "day", words,
    )  # fmt: skip


@register.simple_tag
def countdown(at: datetime | None) -> SafeString:
    """Time left until an instant, which live.js keeps counting."""
    if at is None:
        return format_html('<span class="muted">{}</span>', "–")
    return format_html(
        '<time class="number nowrap" datetime="{}" title="{} UTC" data-countdown>{}</time>',
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", span(int((at - timezone.now()).total_seconds())),
    )  # fmt: skip


@register.filter
def span(seconds: float | Decimal | str | None) -> str:
    """A length of time in its two largest units: 3 d 4 h, 12 min 5 s; below a second one digit: 0.3 s."""
    if seconds is None:
        return "–"
    if 0 < Decimal(seconds) < 1:
        return f"{max(Decimal(seconds), Decimal('0.1')):.1g} s"
    left = max(int(Decimal(seconds)), 0)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


@register.filter
def milliseconds(ms: int | None) -> str:
    return "–" if ms is None else span(ms / 1000)


@register.simple_tag(takes_context=True)
def here(context: dict[str, Any], room: str) -> SafeString | str:
    """`aria-current` for the navigation link of the room that shows this page."""
    match = getattr(context.get("request"), "resolver_match", None)
    current = match is not None and room in {match.app_name, match.url_name}
    return format_html('aria-current="{}"', "page") if current else ""


@register.simple_tag
def hourly(per_second_glm: Decimal) -> SafeString:
    return glm(per_second_glm * 3600, "")


@register.simple_tag
def cheapest(offers: list[Any]) -> SafeString:
    """The lowest price per thread and hour among a node's offers."""
    return glm(min((offer.price_per_hour_glm(Decimal(1)) for offer in offers), default=None))


@register.simple_tag
def share(available: Decimal, held: Decimal, spent: Decimal) -> SafeString:
    """One bar of three parts. SVG, as an inline style would need a looser content security policy."""
    whole = available + held + spent or Decimal(1)
    parts: list[SafeString] = []
    start = Decimal(0)
    for name, amount in (("available", available), ("held", held), ("spent", spent)):
        width = 100 * amount / whole
        parts.append(
            format_html(
                '<rect class="{}" x="{}" width="{}" height="100%"/>', name, f"{start:.2f}%", f"{width:.2f}%"
            )
        )
        start += width
    left = figures(available, rounding=ROUND_DOWN)
    words = f"{left} GLM available, {figures(held)} held, {figures(spent)} spent"
    return format_html(
        '<svg class="share" role="img" aria-label="{}">{}</svg>',
        words,
        format_html_join("", "{}", ((p,) for p in parts)),
    )


@register.simple_tag
def sparkline(counts: list[int], words: str = "") -> SafeString:
    """Counts over time as a small line; `words` say the same to a screen reader."""
    if len(counts) < 2:
        return format_html("")
    top = max(*counts, 1)
    points = [(100 * i / (len(counts) - 1), 28 - 26 * count / top) for i, count in enumerate(counts)]
    line = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return format_html(
        '<svg class="sparkline" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polygon points="0,30 {} 100,30"/><polyline points="{}"/></svg>',
        words, line, line,
    )  # fmt: skip


@register.simple_tag
def lasts(runway: Runway) -> SafeString | str:
    """How long a budget lasts: UTC here, the reader's own clock once live.js has run."""
    if runway.until is None or runway.is_used_up:
        return runway.without_instant
    near = runway.until - runway.at < NEAR
    return format_html(
        '{} <time class="nowrap" datetime="{}" title="{} UTC" data-moment="{}">{}</time> {}',
        "lasts until", runway.until.isoformat(), f"{runway.until:%Y-%m-%d %H:%M}",
        "weekday" if near else "day", instant_in_words(runway.until, now=runway.at), AT_THIS_RATE,
    )  # fmt: skip


@register.filter
def slice_id(identifier: Any) -> str:
    """The first block of a UUID: enough to tell rows apart by eye."""
    return str(identifier)[:8]
