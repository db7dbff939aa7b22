"""What is likely a slip in a filter that reads well: it would only never hold, and its author would wait."""

from __future__ import annotations

import difflib

from apps.market.filters.known import KNOWN, OFFERED
from apps.market.filters.tree import Compare, Filter, Kind, names_in, version_of

_NEAR = 0.85


def advice_on(tree: Filter) -> list[str]:
    """A sentence for each slip; any name may be asked for, so none of them is an error."""
    found = [_slip(name, place) for name, place in names_in(tree)]
    return list(dict.fromkeys(filter(None, found)))


def _slip(name: str, place: Filter) -> str | None:
    if name not in KNOWN and name not in OFFERED:
        near = difflib.get_close_matches(name, [*KNOWN, *OFFERED], n=1, cutoff=_NEAR)
        return f"no offer is known to say {name}; did you mean {near[0]}?" if near else None
    if name.endswith(".version") and isinstance(place, Compare) and _is_read_as_text(place):
        return f"{name} is compared as text, where 0.10 comes before 0.9: write {name}$v"
    return None


def _is_read_as_text(place: Compare) -> bool:
    return place.kind is Kind.ANY and place.operator.is_ordering and version_of(place.value) is not None
