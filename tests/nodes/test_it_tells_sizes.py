from decimal import Decimal

import pytest

from apps.nodes.sizes import memory


@pytest.mark.parametrize(
    ("mem_gib", "told"),
    [
        ("0.062", "64 MiB"),
        ("0.0625", "64 MiB"),
        ("0.094", "96 MiB"),
        ("0.098", "100 MiB"),
        ("0.250", "256 MiB"),
        ("1.000", "1 GiB"),
        ("1.5", "1.5 GiB"),
        ("128", "128 GiB"),
        ("0", "0 GiB"),
    ],
)
def test_it_tells_memory_in_round_units(mem_gib: str, told: str) -> None:
    assert memory(Decimal(mem_gib)) == told
