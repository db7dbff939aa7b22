"""Who follows a log is told each whole line once, however alike the lines, whatever was rotated meanwhile."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.runtimes.docker import following as containers
from agent.runtimes.guarded import following as natives

with pytest.MonkeyPatch.context() as _patch:  # a guard runs without our package: its files are neighbours
    _patch.syspath_prepend(str(Path(natives.__file__).parent))
    watching = importlib.import_module("watching")


def write(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


# -- of guarded replicas ----------------------------------------------------------------------------------


def test_it_begins_with_the_last_lines_and_goes_on_behind_them(log: Path) -> None:
    write(log, b"one\ntwo\nthree\n")
    said, mark = natives.lines_after(log, "", 2)
    assert said == b"two\nthree\n"
    assert natives.lines_after(log, mark, 2) == (b"", mark)
    write(log, b"three\nthree\nthree\n")
    said, mark = natives.lines_after(log, mark, 2)
    assert said == b"three\n" * 3
    assert natives.lines_after(log, mark, 2)[0] == b""


def test_it_waits_for_the_end_of_a_line(log: Path) -> None:
    write(log, b"one\ntw")
    said, mark = natives.lines_after(log, "", 9)
    assert said == b"one\n"
    write(log, b"o\n")
    assert natives.lines_after(log, mark, 9)[0] == b"two\n"


def test_it_tells_a_line_without_an_end_in_pieces(log: Path) -> None:
    write(log, b"x" * (natives.MOST_BYTES + 10))
    said, mark = natives.lines_after(log, "0", 9)
    assert (len(said), mark) == (natives.MOST_BYTES, str(natives.MOST_BYTES))


def test_it_catches_up_piece_by_piece(log: Path) -> None:
    line = b"y" * 99 + b"\n"
    write(log, line * 25_000)
    heard, mark = b"", "0"
    while (more := natives.lines_after(log, mark, 1))[0]:
        heard, mark = heard + more[0], more[1]
    assert heard == line * 25_000


def test_there_is_nothing_before_there_is_a_log(log: Path) -> None:
    assert natives.lines_after(log, "", 9) == (b"", "0")


@given(
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    looks=st.sets(st.integers(0, 29)),
)
def test_it_loses_nothing_when_the_log_begins_anew(
    pieces: list[int], looks: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rotated after each piece that is long enough, looked at while `log.1` still has what was not told."""
    log = tmp_path_factory.mktemp("log") / "log"
    heard, wanted, mark, unseen = b"", b"", "0", 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "_LOG_BYTES", 200)
        for number, lines in enumerate(pieces):
            text = b"".join(b"%03d\n" % line for line in range(lines))
            write(log, text)
            wanted += text
            unseen += len(text)
            watching.keep_short(str(log))
            if number in looks or unseen > 40:
                said, mark = natives.lines_after(log, mark, 1)
                heard, unseen = heard + said, 0
        heard += natives.lines_after(log, mark, 1)[0]
    assert heard == wanted


def test_it_goes_on_with_what_is_left_of_a_log_that_was_rotated_twice(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LOG_BYTES", 10)
    _, mark = natives.lines_after(log, "", 9)
    for text in (b"gone, gone, gone\n", b"old, old\n12\n"):
        write(log, text)
        watching.keep_short(str(log))
    write(log, b"new\n")
    assert natives.lines_after(log, mark, 9)[0].endswith(b"12\nnew\n")


# -- of containers ----------------------------------------------------------------------------------------


AT = "2026-11-21T04:57:12.00000000{}Z"


def stamped(*lines: tuple[int, str]) -> bytes:
    return b"".join(f"{AT.format(second)} {text}".encode() for second, text in lines)


def test_it_asks_the_engine_for_the_second_of_the_mark() -> None:
    assert containers.what_to_ask("", 7) == {"tail": 7}
    assert containers.what_to_ask("yesterday", 7) == {"tail": 7}
    assert containers.what_to_ask(AT.format(1), 7) == {"since": 1795237032}


def test_it_leaves_out_what_was_told() -> None:
    said = stamped((1, "tick\n"), (2, "tick\n"), (3, "tick\n"), (4, "half a li"))
    assert containers.lines_after(said, "") == (b"tick\n" * 3, AT.format(3))
    assert containers.lines_after(said, AT.format(2)) == (b"tick\n", AT.format(3))
    assert containers.lines_after(said, AT.format(3)) == (b"", AT.format(3))
    assert containers.lines_after(b"", AT.format(3)) == (b"", AT.format(3))


def test_it_keeps_a_line_that_bears_no_time() -> None:
    assert containers.lines_after(b"no time\n", AT.format(3)) == (b"no time\n", AT.format(3))


def test_it_tells_a_container_that_said_much_in_pieces() -> None:
    line = "z" * (containers.MOST_BYTES // 2)
    said = stamped(*((number, f"{line}\n") for number in range(1, 8)))
    text, mark = containers.lines_after(said, "")
    assert (text.count(b"\n"), mark) == (2, AT.format(2))
    assert containers.lines_after(said, mark)[0].count(b"\n") == 2
