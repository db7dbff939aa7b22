"""What is built into this machine, read from the kernel's files: no program such as lspci is needed.

Every function takes the root of the file system, so that another machine's files can be read in its place.
What a kernel does not tell is left out. No serial number, network address or user's name is among it.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agent.stats import outer_interfaces

ROOT = Path("/")
GIB = 1 << 30
VENDORS = {0x10DE: "nvidia", 0x1002: "amd", 0x1022: "amd", 0x8086: "intel"}
_BITS = {"x86_64": [32, 64], "amd64": [32, 64]}
_DISPLAY_CONTROLLER, _PROCESSING_ACCELERATOR = 0x03, 0x12
"""PCI class codes; a data centre's GPU is either. Source: PCI Code and ID Assignment Specification."""
_NO_MODEL = {"", "none", "to be filled by o.e.m.", "system product name", "default string"}


def properties(root: Path = ROOT) -> dict[str, Any]:
    """In Golem's names where it has one, else in ours."""
    told = {
        "hive.inf.cpu.bits": bits(platform.machine()),
        "hive.inf.os.name": os_name(root),
        "hive.inf.os.kernel": platform.release(),
        "hive.inf.hardware.model": model(root),
        "hive.inf.gpu": gpus(root),
        "hive.inf.net": networks(root),
    }
    return cpu(root) | {name: value for name, value in told.items() if value != ""}


def bits(architecture: str) -> list[int]:
    """Width of the programs it runs: 32, 64 or both."""
    return _BITS.get(architecture, [64] if "64" in architecture or architecture == "s390x" else [32])


def cpu(root: Path = ROOT) -> dict[str, str]:
    """Of the first processor; ARM names none."""
    told = dict(lines(root / "proc/cpuinfo", until=""))
    named = {
        "golem.inf.cpu.vendor": told.get("vendor_id", ""),
        "golem.inf.cpu.brand": told.get("model name", ""),
        "golem.inf.cpu.model": "Stepping {stepping} Family {cpu family} Model {model}".format_map(told)
        if told.keys() >= {"stepping", "cpu family", "model"}
        else "",
    }
    return {name: value for name, value in named.items() if value}


def os_name(root: Path = ROOT) -> str:
    """As its makers write it: Debian GNU/Linux 12 (bookworm)."""
    pairs = (line.partition("=") for line in _text(root / "etc/os-release").splitlines())
    told = {name: value.strip("'\"") for name, _, value in pairs}
    return told.get("PRETTY_NAME") or told.get("NAME") or platform.system()


def model(root: Path = ROOT) -> str:
    """Maker and product, by DMI or the device tree; empty when neither tells."""
    dmi = root / "sys/class/dmi/id"
    names = [_text(dmi / name) for name in ("sys_vendor", "product_name")]
    said = " ".join(name for name in names if name.lower() not in _NO_MODEL)
    return said or _text(root / "proc/device-tree/model").strip("\0")


def gpus(root: Path = ROOT) -> list[dict[str, Any]]:
    """`{vendor, pci, model?, mem_gib?}` each; `pci` is vendor and device as the ID registry has them."""
    folder = root / "sys/bus/pci/devices"
    return [_gpu(device, root) for device in folders(folder) if _is_gpu(device)]


def networks(root: Path = ROOT) -> list[dict[str, Any]]:
    """`{name, mbit_s?}` of every interface to the outside; a virtual one may have no speed."""
    folder = root / "sys/class/net"
    names = outer_interfaces([each.name for each in folders(folder)], folder)
    return [{"name": name} | _speed(folder / name) for name in names]


def _is_gpu(device: Path) -> bool:
    return (_hex(device / "class") >> 16) in (_DISPLAY_CONTROLLER, _PROCESSING_ACCELERATOR)


def _gpu(device: Path, root: Path) -> dict[str, Any]:
    vendor, product = _hex(device / "vendor"), _hex(device / "device")
    told: dict[str, Any] = {"vendor": VENDORS.get(vendor, "other"), "pci": f"{vendor:04x}:{product:04x}"}
    if name := _gpu_model(device, root, vendor, product):
        told["model"] = name
    if vram := _text(device / "mem_info_vram_total"):  # told by amdgpu
        told["mem_gib"] = round(int(vram) / GIB, 1)
    return told


def _gpu_model(device: Path, root: Path, vendor: int, product: int) -> str:
    """Of its driver, else of the ID registry that most distributions have."""
    nvidia = dict(lines(root / "proc/driver/nvidia/gpus" / device.name / "information"))
    if name := nvidia.get("Model") or _text(device / "product_name"):
        return name
    for registry in ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"):
        if name := _registered(_text(root / registry).splitlines(), vendor, product):
            return name
    return ""


def _registered(lines: Iterable[str], vendor: int, product: int) -> str:
    """A vendor's line begins with its number, its products' follow, indented by one tab."""
    here = False
    for line in lines:
        if not line.startswith(("\t", "#")):
            here = line.startswith(f"{vendor:04x} ")
        elif here and line.startswith(f"\t{product:04x} "):
            return line.split(maxsplit=1)[1]
    return ""


def _speed(interface: Path) -> dict[str, int]:
    """-1 or a refusal to read stand for unknown."""
    told = _text(interface / "speed")
    return {"mbit_s": int(told)} if told.isdigit() and int(told) else {}


def folders(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def lines(path: Path, until: str | None = None) -> Iterator[tuple[str, str]]:
    """`name : value` pairs, up to a line that is `until`."""
    for line in _text(path).splitlines():
        if line == until:
            return
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


def _hex(path: Path) -> int:
    return int(_text(path) or "0", 16)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
