"""Make a machine image for the qemu runtime: a kernel, and an initramfs of busybox and one program.

    python scripts/machine_image.py HOME/images/hive/machine/1      a page that says which replica it is
    python scripts/machine_image.py FOLDER --program ./server       a static program or a shell script
    python scripts/machine_image.py FOLDER --kernel-from /          this machine's own kernel

The folder can lie in a Bee's catalogue as it is (docs/bees.md). Its parts are Debian's: the kernel made for
virtual machines and the guest agent, both fetched and unpacked, not installed, and `busybox-static` of this
machine. It needs the packages busybox-static and cpio, and one that brings what the guest agent is linked
with, as qemu-system-x86 does.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KERNEL, AGENT = "linux-image-cloud-amd64", "qemu-guest-agent"
GUEST = Path(__file__).with_name("machine")
#: What a machine has beside its processor; what they need in turn is found. Those built into a kernel are
#: passed over.
MODULES = (
    "virtio_pci",
    "virtio_net",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "qemu_fw_cfg",
    "button",
    "evdev",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--program", type=Path, default=GUEST / "program")
    parser.add_argument("--kernel-from", type=Path, help="a folder with boot/ and lib/modules/")
    parser.add_argument("--no-agent", action="store_true", help="leave the guest agent out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        build(options, Path(scratch))
    size_mib = sum(file.stat().st_size for file in options.folder.iterdir()) / (1 << 20)
    print(f"{options.folder}: {size_mib:.1f} MiB")


def build(options: argparse.Namespace, scratch: Path) -> None:
    source = options.kernel_from or unpacked(kernel_package(), scratch / "kernel")
    kernel = newest_kernel(source)
    root = scratch / "root"
    lay_out(root, options.program)
    release = kernel.name.removeprefix("vmlinuz-")
    add_modules(root, source / "lib" / "modules" / release)
    if not options.no_agent:
        add_program(root, unpacked(AGENT, scratch / "agent") / "usr" / "sbin" / "qemu-ga")

    options.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kernel, options.folder / "vmlinuz")
    (options.folder / "initrd.img").write_bytes(archive(root))
    image = {
        "kernel": "vmlinuz",
        "initrd": "initrd.img",
        "append": "quiet",
        "takes_command": True,
        "guest_agent": not options.no_agent,
    }
    (options.folder / "image.json").write_text(json.dumps(image, indent=2) + "\n")


# -- where the parts come from ------------------------------------------------------------------------------


def kernel_package() -> str:
    """The package that holds the kernel: the one named for all of them only depends on it."""
    depends = output("apt-cache", "depends", "--important", KERNEL)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        sys.exit(f"apt knows no {KERNEL}: run apt-get update, or name a kernel's folder with --kernel-from")
    return found[1]


def unpacked(package: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    output("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package, cwd=folder)
    for archive_file in folder.glob("*.deb"):
        output("dpkg-deb", "-x", str(archive_file), str(folder))
    return folder


def newest_kernel(source: Path) -> Path:
    kernels = sorted((source / "boot").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime)
    if not kernels:
        sys.exit(f"{source / 'boot'}: there is no vmlinuz-*")
    return kernels[-1]


# -- what lies in the machine -------------------------------------------------------------------------------


def lay_out(root: Path, program: Path) -> None:
    for folder in ("bin", "etc/hive", "etc/acpi/PWRF", "lib/modules", "usr/sbin"):
        (root / folder).mkdir(parents=True)
    busybox = shutil.which("busybox")
    if not busybox or "statically linked" not in linked(busybox):
        sys.exit("there is no static busybox: apt-get install busybox-static")
    for source, target in (
        (Path(busybox), "bin/busybox"),
        (GUEST / "init", "init"),
        (GUEST / "power_button", "etc/acpi/PWRF/00000080"),
        (program, "etc/hive/program"),
    ):
        shutil.copyfile(source, root / target)
        (root / target).chmod(0o755)


def add_program(root: Path, program: Path) -> None:
    """With the libraries that it is linked with, from this machine."""
    needs = linked(str(program))
    if "not found" in needs:
        sys.exit(f"{program.name} lacks a library here:\n{needs}")
    shutil.copy(program, root / "usr" / "sbin")
    for path in re.findall(r"(/\S+) \(0x", needs):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def linked(program: str) -> str:
    run = subprocess.run(["ldd", program], capture_output=True, text=True)
    return run.stdout if run.returncode == 0 else "statically linked"


def add_modules(root: Path, modules: Path) -> None:
    """Plain files and a list of them in the order in which `insmod` has to load them."""
    if not modules.is_dir():
        sys.exit(f"{modules}: the kernel's modules are not there")
    files = {_name(path): path for path in modules.rglob("*.ko*")}
    order: list[str] = []

    def add(name: str) -> None:
        if name in files and name not in order:
            for needed in _needs(files[name]):
                add(needed)
            order.append(name)

    for name in MODULES:
        add(name)
    for name in order:
        (root / "lib" / "modules" / name).write_bytes(_content(files[name]))
    (root / "lib" / "modules" / "order").write_text("".join(f"{name}\n" for name in order))


def _name(path: Path) -> str:
    return path.name.split(".")[0].replace("-", "_")


def _needs(module: Path) -> list[str]:
    found = re.search(rb"\0depends=([^\0]*)\0", _content(module))
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


def _content(module: Path) -> bytes:
    raw = module.read_bytes()
    return lzma.decompress(raw) if module.suffix == ".xz" else raw


def archive(root: Path) -> bytes:
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        ["cpio", "--create", "--format=newc", "--owner=0:0", "--quiet"],
        cwd=root,
        input=names.encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return gzip.compress(packed, compresslevel=6, mtime=0)


def output(*command: str, cwd: Path | None = None) -> str:
    try:
        run = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"there is no {command[0]} on this machine")
    if run.returncode:
        sys.exit(f"{' '.join(command[:2])} failed: {run.stderr.strip()}")
    return run.stdout


if __name__ == "__main__":
    main()
