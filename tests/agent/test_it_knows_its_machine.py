from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from agent import clock, hardware, stats
from agent.stats import Gauge, Traffic, outer_interfaces, rates

CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 33
model name\t: AMD Ryzen 9 5950X 16-Core Processor
stepping\t: 2

processor\t: 1
model name\t: another
"""
PCI_IDS = """\
# the registry
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t744c  Navi 31 [Radeon RX 7900 XTX]
\t\t1002 0e3b  a subsystem
10de  NVIDIA Corporation
\t2204  GA102 [GeForce RTX 3090]
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def pci(name: str, **files: str) -> dict[str, str]:
    return {f"sys/bus/pci/devices/{name}/{file}": text + "\n" for file, text in files.items()}


def test_it_names_the_first_processor_as_golem_does(tmp_path: Path) -> None:
    assert hardware.cpu(write(tmp_path, {"proc/cpuinfo": CPUINFO})) == {
        "golem.inf.cpu.vendor": "AuthenticAMD",
        "golem.inf.cpu.brand": "AMD Ryzen 9 5950X 16-Core Processor",
        "golem.inf.cpu.model": "Stepping 2 Family 25 Model 33",
    }


@pytest.mark.parametrize(
    ("architecture", "bits"),
    [("x86_64", [32, 64]), ("aarch64", [64]), ("riscv64", [64]), ("armv7l", [32]), ("i686", [32])],
)
def test_it_tells_the_width_of_programs(architecture: str, bits: list[int]) -> None:
    assert hardware.bits(architecture) == bits


def test_it_finds_graphics_cards_and_names_them(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        pci("0000:00:01.0", **{"class": "0x020000", "vendor": "0x8086", "device": "0x1533"})
        | pci("0000:01:00.0", **{"class": "0x030000", "vendor": "0x10de", "device": "0x2204"})
        | pci("0000:02:00.0", **{"class": "0x030200", "vendor": "0x10de", "device": "0x20b5"})
        | pci(
            "0000:03:00.0",
            **{
                "class": "0x038000",
                "vendor": "0x1002",
                "device": "0x744c",
                "mem_info_vram_total": str(24 << 30),
            },
        )
        | pci("0000:04:00.0", **{"class": "0x120000", "vendor": "0x1db7", "device": "0x0001"})
        | {"usr/share/misc/pci.ids": PCI_IDS}
        | {"proc/driver/nvidia/gpus/0000:02:00.0/information": "Model: \t\t NVIDIA A100 80GB PCIe\nIRQ: 1\n"},
    )

    assert hardware.gpus(root) == [
        {"vendor": "nvidia", "pci": "10de:2204", "model": "GA102 [GeForce RTX 3090]"},
        {"vendor": "nvidia", "pci": "10de:20b5", "model": "NVIDIA A100 80GB PCIe"},
        {"vendor": "amd", "pci": "1002:744c", "model": "Navi 31 [Radeon RX 7900 XTX]", "mem_gib": 24.0},
        {"vendor": "other", "pci": "1db7:0001"},
    ]


def test_it_tells_the_interfaces_that_lead_outside(tmp_path: Path) -> None:
    net = "sys/class/net"
    root = write(
        tmp_path,
        {f"{net}/lo/speed": "", f"{net}/docker0/speed": "-1", f"{net}/veth1/speed": "10000"}
        | {f"{net}/eth0/speed": "1000\n", f"{net}/eth0/device/vendor": "", f"{net}/wlan0/device/vendor": ""},
    )

    assert hardware.networks(root) == [{"name": "eth0", "mbit_s": 1000}, {"name": "wlan0"}]


def test_inside_a_container_all_but_the_loopback_lead_outside(tmp_path: Path) -> None:
    assert outer_interfaces(["lo", "eth0"], tmp_path) == ["eth0"]


@pytest.mark.parametrize(
    ("files", "model"),
    [
        ({"sys_vendor": "LENOVO\n", "product_name": "20XW\n"}, "LENOVO 20XW"),
        ({"sys_vendor": "To Be Filled By O.E.M.\n", "product_name": "System Product Name"}, ""),
        ({}, ""),
    ],
)
def test_it_names_maker_and_product(tmp_path: Path, files: dict[str, str], model: str) -> None:
    root = write(tmp_path, {f"sys/class/dmi/id/{name}": text for name, text in files.items()})
    assert hardware.model(root) == model


def test_it_names_a_board_by_its_device_tree(tmp_path: Path) -> None:
    assert hardware.model(write(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5\0"})) == "Raspberry Pi 5"


def test_it_describes_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    told = hardware.properties(tmp_path)
    assert (told["hive.inf.gpu"], told["hive.inf.net"]) == ([], [])
    assert "golem.inf.cpu.brand" not in told


def test_it_describes_this_machine() -> None:
    told = hardware.properties()
    assert told["hive.inf.os.name"]
    assert told["hive.inf.cpu.bits"] in ([32], [64], [32, 64])


def test_it_reckons_rates() -> None:
    before = Traffic(at_s=10.0, sent_bytes=1000, received_bytes=5000)
    assert rates(before, Traffic(12.0, 3000, 5500)) == (1000.0, 250.0)
    assert rates(before, Traffic(12.0, 3000, 100)) == (1000.0, 0.0), "an interface is gone"
    assert rates(before, before) == (0.0, 0.0)


def test_it_measures_the_machine(tmp_path: Path) -> None:
    gauge = Gauge(tmp_path)
    told = gauge.read(running=3)
    disk = os.statvfs(tmp_path)

    assert told.running == 3
    assert 0 < told.mem_used_bytes < psutil.virtual_memory().total
    assert told.disk_used_bytes == pytest.approx((disk.f_blocks - disk.f_bfree) * disk.f_frsize, rel=0.01)


def test_it_sees_that_the_processor_is_busy(tmp_path: Path) -> None:
    gauge = Gauge(tmp_path)
    until = time.perf_counter() + 0.3
    while time.perf_counter() < until:
        pass
    assert gauge.read(running=0).cpu_percent > 50 / (os.cpu_count() or 1)


def test_it_tells_the_hottest_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    sensors = {"coretemp": [SimpleNamespace(current=51.0), SimpleNamespace(current=63.5)], "nvme": []}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors)
    assert stats.temperature_c() == 63.5
    monkeypatch.setattr(psutil, "sensors_temperatures", dict)
    assert stats.temperature_c() is None


def test_an_early_heartbeat_repeats_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, sent = [1000.0], [0]
    monkeypatch.setattr(stats, "traffic", lambda: Traffic(now_s[0], sent[0], 0))
    monkeypatch.setattr(clock, "boot_s", lambda: now_s[0])
    gauge = Gauge(tmp_path)
    told = []
    for later_s, bytes_more in ((5.0, 5000), (0.1, 900), (4.9, 4100)):
        now_s[0] += later_s
        sent[0] += bytes_more
        told.append(gauge.read(running=len(told)))
    assert [(each.sent_bytes_s, each.running) for each in told] == [(1000.0, 0), (1000.0, 1), (1000.0, 2)]


async def test_a_reading_costs_next_to_nothing(tmp_path: Path) -> None:
    gauge, readings = Gauge(tmp_path), 100
    before_s = time.process_time()
    for _ in range(readings):
        gauge._measured()
        await asyncio.sleep(0)
    assert (time.process_time() - before_s) / readings < 0.01, "1 % of a core at a heartbeat each second"
