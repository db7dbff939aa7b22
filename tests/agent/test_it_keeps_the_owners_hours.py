"""When the machine is for rent, by the clock on the owner's wall."""

from __future__ import annotations

from datetime import datetime

import pytest

from agent.rules.hours import hours_a_day, is_open, next_change, read_span

MONDAY, FRIDAY, SATURDAY, SUNDAY = 2, 6, 7, 8
"""Days of November 2026."""


def at(day: int, time: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day:02} {time}")


def open_at(text: str, day: int, time: str) -> bool:
    return is_open([read_span(text)], at(day, time))


@pytest.mark.parametrize(
    ("text", "day", "time", "expected"),
    [
        ("08:00-18:00", MONDAY, "07:59:59", False),
        ("08:00-18:00", MONDAY, "08:00:00", True),
        ("08:00-18:00", MONDAY, "17:59:59", True),
        ("08:00-18:00", MONDAY, "18:00:00", False),
        ("22:00-08:00", MONDAY, "23:00:00", True),
        ("22:00-08:00", MONDAY, "07:59:00", True),
        ("22:00-08:00", MONDAY, "12:00:00", False),
        ("00:00-24:00", SUNDAY, "23:59:59", True),
        ("mon-fri 18:00-24:00", FRIDAY, "23:30:00", True),
        ("mon-fri 18:00-24:00", SATURDAY, "19:00:00", False),
        ("fri 22:00-08:00", SATURDAY, "07:00:00", True),
        ("fri 22:00-08:00", FRIDAY, "07:00:00", False),
        ("sun 22:00-08:00", MONDAY, "07:00:00", True),
        ("sat,sun 9:00-24:00", SUNDAY, "09:00:00", True),
        ("fri-mon 00:00-24:00", SUNDAY, "12:00:00", True),
        (" Sat, Sun 00:00 - 24:00 ", SATURDAY, "12:00:00", True),
    ],
)
def test_it_is_open_in_its_hours_and_in_no_others(text: str, day: int, time: str, expected: bool) -> None:
    assert open_at(text, day, time) == expected


def test_it_is_always_open_without_hours() -> None:
    assert is_open([], at(MONDAY, "03:00"))
    assert next_change([], at(MONDAY, "03:00")) is None
    assert next_change([read_span("00:00-24:00")], at(MONDAY, "03:00")) is None


def test_it_knows_when_that_changes() -> None:
    spans = [read_span("mon-fri 18:00-24:00"), read_span("sat,sun 00:00-24:00")]
    assert next_change(spans, at(MONDAY, "12:00")) == at(MONDAY, "18:00")
    assert next_change(spans, at(MONDAY, "18:00")) == at(MONDAY + 1, "00:00")
    assert next_change(spans, at(FRIDAY, "20:00")) == at(SUNDAY + 1, "00:00"), "the weekend follows on"


def test_it_reckons_how_long_that_is_on_an_average_day() -> None:
    assert hours_a_day(()) == 24
    assert hours_a_day((read_span("22:00-08:00"),)) == 10
    assert hours_a_day((read_span("22:00-08:00"), read_span("06:00-09:00"))) == 11
    assert hours_a_day((read_span("sat,sun 00:00-24:00"),)) == pytest.approx(48 / 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected hours such as"),
        ("at night", "expected hours such as"),
        ("22-8", "expected hours such as"),
        ("25:00-08:00", "25:00 is no time of day"),
        ("08:60-09:00", "08:60 is no time of day"),
        ("08:00-08:00", "all day is 00:00-24:00"),
        ("24:00-08:00", "all day is 00:00-24:00"),
        ("workdays 08:00-09:00", "'workdays' is no day: expected mon, tue"),
        ("mon-fry 08:00-09:00", "'fry' is no day"),
        ("mon, 08:00-09:00", "'' is no day"),
    ],
)
def test_it_says_what_it_expected(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        read_span(text)
