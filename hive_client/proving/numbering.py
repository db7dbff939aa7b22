"""Numbers of papers: which are missing between those that are there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

_NUMBER = re.compile(r"(.*?)([0-9]{1,18})", re.DOTALL)


def missing_numbers(papers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Of pairs of issuer and number: a phrase for each gap between two of the same series, with its verb.

    A series is all that has the same issuer and the same text before its last digits: HIVE-2026-000001.
    """
    series = defaultdict[tuple[str, str], dict[int, str]](dict)
    for issuer, number in papers:
        if found := _NUMBER.fullmatch(number):
            series[issuer, found[1]][int(found[2])] = found[2]
    for (_, prefix), digits in sorted(series.items()):
        for before, after in pairwise(sorted(digits)):
            if after > before + 1:
                width = len(digits[before])
                yield _phrase(f"{prefix}{before + 1:0{width}}", f"{prefix}{after - 1:0{width}}")


def in_words(numbers: Iterable[int]) -> str:
    """Each run without gaps by its first and last: `1, 3 to 7`."""
    ordered = sorted(numbers)
    gaps = [(each, following) for each, following in pairwise(ordered) if following > each + 1]
    begins, ends = [following for _, following in gaps], [each for each, _ in gaps]
    runs = zip(ordered[:1] + begins, ends + ordered[-1:], strict=True)
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


def _phrase(first: str, last: str) -> str:
    return f"{first} is" if first == last else f"{first} to {last} are"
