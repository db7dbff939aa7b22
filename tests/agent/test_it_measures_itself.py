from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from agent import benchmark, measuring, probing
from agent.bee import Bee
from agent.config import Config, Rent
from agent.measuring import (
    EVERY_S,
    FIRST_AFTER_S,
    Measured,
    is_idle,
    may_measure,
    measure_machine,
    wait_s,
)
from agent.probing import Prober, mbit_s, measure_way
from agent.protocol import MAX_PROBE_BYTES, Benchmarks, Echo, Probe
from tests.agent.conftest import agent

NOON_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def figures(at_ms: int = NOON_MS) -> Benchmarks:
    return Benchmarks(at_ms=at_ms, cpu_all=12.0)


# -- when -------------------------------------------------------------------------------------------------


def test_it_measures_soon_after_it_joined() -> None:
    assert all(FIRST_AFTER_S[0] <= wait_s(None, now_ms=NOON_MS) <= FIRST_AFTER_S[1] for _ in range(50))


def test_it_measures_once_a_day_and_not_all_bees_at_once() -> None:
    waits = [wait_s(figures(), now_ms=NOON_MS + HOUR_MS) for _ in range(50)]
    assert min(waits) >= EVERY_S[0] - 3600 and max(waits) <= EVERY_S[1] - 3600
    assert max(waits) - min(waits) > 3600


def test_what_is_overdue_waits_for_a_quiet_start() -> None:
    assert wait_s(figures(), now_ms=NOON_MS + 100 * HOUR_MS) >= FIRST_AFTER_S[0]


def test_it_believes_no_date_to_come() -> None:
    assert wait_s(figures(NOON_MS + 900 * HOUR_MS), now_ms=NOON_MS) <= FIRST_AFTER_S[1]


def test_it_measures_only_while_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "cpu_threads", lambda: 4)
    assert is_idle(0, load=1.9)
    assert not is_idle(1, load=0.0)
    assert not is_idle(0, load=2.1)


async def test_a_pause_of_the_owner_is_no_time_to_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1))
    config = Config(url="http://localhost:1", name="a", advertise="127.0.0.1", rent=rent)
    bee = Bee(home=tmp_path, config=config, runtimes={}, poke=lambda: None)
    assert may_measure(bee)

    bee.is_paused = True
    assert not may_measure(bee)
    bee.journal.close()


# -- the machine ------------------------------------------------------------------------------------------


@pytest.mark.real
async def test_it_measures_processor_memory_and_disk(tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        told = await measure_machine(tmp_path)

    assert set(told) == {"cpu_single", "cpu_all", "mem_gib_s", "disk_write_mib_s", "disk_read_mib_s"}
    assert all(figure > 0 for figure in told.values())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
async def test_its_owner_can_look_at_the_figures(tmp_path: Path) -> None:
    status, output, error = await agent("benchmark", "--home", str(tmp_path))
    assert status == 0, error
    assert len(output.splitlines()) == 5 and "CPU units, all threads" in output

    status, _, error = await agent("benchmark", "--home", str(tmp_path / "gone"))
    assert (status, "name one on the disk" in error) == (1, True)


@pytest.mark.real
async def test_a_benchmark_that_fails_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SCRIPT", tmp_path / "gone.py")
    assert await measure_machine(tmp_path) == {}


@pytest.mark.real
async def test_a_machine_without_room_for_one_more_process_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert await measure_machine(tmp_path) == {}


@pytest.mark.real
async def test_a_benchmark_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = tmp_path / "hanging.py"
    hanging.write_text(
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], 'pid').write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(measuring, "SCRIPT", hanging)
    monkeypatch.setattr(measuring, "PATIENCE_S", 1.0)

    assert await measure_machine(tmp_path) == {}
    assert "not ready after 1 s" in caplog.text

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_it_leaves_a_full_disk_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "DISK_SPARE_BYTES", 1 << 62)
    assert benchmark.disk(str(tmp_path)) == (0.0, 0.0)


def test_a_disk_that_is_gone_has_no_speed(tmp_path: Path) -> None:
    assert benchmark.disk(str(tmp_path / "gone")) == (0.0, 0.0)


def test_the_work_is_the_same_everywhere() -> None:
    """Whoever changes it makes all figures before incomparable."""
    text = benchmark.corpus()
    assert (len(text), text[:16]) == (256 * 1024, b"5feceb66ffc86f38")


# -- the way to the Queen ---------------------------------------------------------------------------------


def answered_by(answer: Callable[[Probe], Echo | None]) -> Prober:
    """A prober whose probes are answered at once."""

    def poke() -> None:
        for probe in prober.to_say():
            if echo := answer(probe):
                asyncio.get_running_loop().call_soon(prober.heard, echo)

    prober = Prober(poke)
    return prober


async def test_it_times_the_way_both_ways() -> None:
    asked: list[tuple[int, int]] = []

    def echo(probe: Probe) -> Echo:
        asked.append((len(probe.padding), probe.echo_bytes))
        return Echo(probe_id=probe.probe_id, padding="." * probe.echo_bytes)

    told = await measure_way(answered_by(echo))

    assert set(told) == {"round_trip_ms", "up_mbit_s", "down_mbit_s"}
    assert all(figure > 0 for figure in told.values())
    assert asked.count((MAX_PROBE_BYTES, 0)) == asked.count((0, MAX_PROBE_BYTES)) == probing.LARGE_PROBES
    assert len(asked) <= 12


async def test_it_does_not_wait_for_ever_for_an_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PATIENCE_S", 0.05)

    def only_small(probe: Probe) -> Echo | None:
        return None if probe.padding else Echo(probe_id=probe.probe_id)

    assert set(await measure_way(answered_by(only_small))) == {"round_trip_ms"}


async def test_a_narrow_way_gets_no_large_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "SLOW_S", -1.0)
    sizes: list[int] = []

    def echo(probe: Probe) -> Echo:
        sizes.append(max(len(probe.padding), probe.echo_bytes))
        return Echo(probe_id=probe.probe_id)

    told = await measure_way(answered_by(echo))

    assert max(sizes) == probing.FIRST_BYTES
    assert told["up_mbit_s"] > 0


async def test_an_echo_nobody_waits_for_is_passed_over() -> None:
    Prober(lambda: None).heard(Echo(probe_id=99))


def test_it_reckons_the_width_without_the_way() -> None:
    assert mbit_s(1_000_000, elapsed_s=1.02, trip_s=0.02) == pytest.approx(8.0)
    assert mbit_s(1_000_000, elapsed_s=0.01, trip_s=0.01) == pytest.approx(8000.0)


# -- what it keeps ----------------------------------------------------------------------------------------


def test_it_says_its_figures_with_each_link_until_they_are_measured_anew(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    measured.say_again()
    assert measured.to_say() == []

    measured.keep(figures())
    assert measured.to_say() == [figures()]
    assert measured.to_say() == []

    after_a_restart = Measured(tmp_path)
    after_a_restart.say_again()
    assert after_a_restart.to_say() == [figures()]


def test_a_spoilt_file_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.json").write_text('{"type":"Benchmarks","at_ms":"soon"}')
    assert Measured(tmp_path).newest is None


def test_a_full_disk_keeps_no_figures_back(tmp_path: Path) -> None:
    measured = Measured(tmp_path / "gone")
    measured.keep(figures())
    assert measured.to_say() == [figures()]
