"""docs/market.md says of the filter language what is so."""

import re
from pathlib import Path

from apps.market.filters.known import KNOWN
from apps.market.filters.parse import parse

TEXT = (Path(__file__).parents[2] / "docs" / "market.md").read_text()
SECTION = TEXT[TEXT.index("## Filter") :].split("\n## ")[0]


def test_it_lists_all_that_the_queen_knows() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (.*) \|$", SECTION, re.MULTILINE)
    assert {name: meaning for name, meaning in rows if name in KNOWN} == {
        name: known.meaning for name, known in KNOWN.items()
    }


def test_it_shows_filters_that_can_be_read() -> None:
    shown = re.findall(r"`(\(.*?\))`", SECTION.replace("\\|", "|").replace("...", ""))
    block = re.search(r"```\n(\(&.*?)\n```", SECTION, re.DOTALL)
    assert len(shown) > 10 and block is not None
    for text in [*shown, block[1]]:
        parse(text)
