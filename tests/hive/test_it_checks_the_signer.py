"""Signer and treasury are named together, and the signer is asked in private. All pure."""

from __future__ import annotations

from typing import Any

import pytest

from hive_portal.checks import the_signer_and_the_treasury_go_together, the_signer_is_asked_in_private

TREASURY, URL = "0x" + "ab" * 20, "https://signer.example.org"


@pytest.mark.parametrize(
    ("treasury", "url", "told"),
    [
        ("", "", []),
        (TREASURY, URL, []),
        ("", URL, ["HIVE_SIGNER_URL is set, HIVE_TREASURY is not."]),
        (TREASURY, "", ["HIVE_TREASURY is set, HIVE_SIGNER_URL is not: nobody could sign for it."]),
    ],
)
def test_it_names_both_or_neither(settings: Any, treasury: str, url: str, told: list[str]) -> None:
    settings.HIVE_TREASURY, settings.HIVE_SIGNER_URL = treasury, url
    assert [each.msg for each in the_signer_and_the_treasury_go_together()] == told


@pytest.mark.parametrize(
    ("url", "is_doubtful"),
    [
        ("", False),
        (URL, False),
        ("http://localhost:8550", False),
        ("http://[::1]:8550", False),
        ("http://signer.example.org:8550", True),
    ],
)
def test_it_doubts_plain_http_to_another_machine(settings: Any, url: str, is_doubtful: bool) -> None:
    settings.HIVE_SIGNER_URL = url
    assert bool(the_signer_is_asked_in_private()) == is_doubtful
