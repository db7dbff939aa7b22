"""The wasm runtime: WebAssembly modules from the owner's catalogue, on wasmtime with WASI.

An image is a folder of the catalogue with a module and its `image.json`, every key of which may be left out:

    {
      "module": "module.wasm",
      "args": ["--verbose"],
      "env": {"LANG": "C.UTF-8"},
      "takes_command": true,
      "fuel": 1000000000
    }

`fuel` ends a module that has executed about so many instructions; without it only the rented CPU limits it.
The module sees a private folder as `/` and has no network, so a service with a port can't run here.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import msgspec

from agent.protocol import Workload
from agent.runtimes import catalogue
from agent.runtimes.base import ImageMissing, Order, Run, RuntimeFault, Terminal
from agent.runtimes.guarded.runtime import DEFAULT_STORAGE_BYTES, Guarded, Payload
from agent.runtimes.guarded.trial import try_out

_HOST = Path(__file__).with_name("host.py")
_HOST_COMMAND = [sys.executable, "-I", str(_HOST)]
_OVERHEAD_BYTES = 128 << 20
"""The host, the compiler and the compiled module; measured: 30 MiB and ten times the size of the module."""
_HOST_READS = [_HOST, Path(sys.prefix), Path(sys.base_prefix)]


class ModuleImage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    module: str = "module.wasm"
    args: list[str] = []
    env: dict[str, str] = {}
    takes_command: bool = False
    fuel: Annotated[int, msgspec.Meta(ge=1, lt=1 << 62)] | None = None


class WasmRuntime(Guarded):
    name = "wasm"

    def __init__(self, home: Path, *, storage_bytes: int = DEFAULT_STORAGE_BYTES) -> None:
        super().__init__(home, storage_bytes=storage_bytes)
        self._home = home
        self._catalogue = home / "images"
        self._catalogue.mkdir(parents=True, exist_ok=True)
        try:
            self.version = version("wasmtime")
        except PackageNotFoundError:
            raise RuntimeFault("the package wasmtime is not installed") from None

    async def self_test(self) -> None:
        """Run a module whose memory is limited. Raises RuntimeFault."""
        payload = Payload(
            command=[*_HOST_COMMAND, "--self-test"], env={}, reads=_HOST_READS, overhead_bytes=_OVERHEAD_BYTES
        )
        await try_out(self._home, payload)

    async def prepare(self, workload: Workload) -> None:
        if workload.port:
            raise RuntimeFault("a wasm module has no network: take the port out, or another runtime")
        self._find(workload)

    def payload(self, order: Order, folder: Path, port: int | None) -> Payload:
        workload = order.assignment.workload
        module, image = self._find(workload)
        command = [*_HOST_COMMAND, "--memory", str(int(workload.mem_gib * (1 << 30)))]
        if image.fuel is not None:
            command += ["--fuel", str(image.fuel)]
        return Payload(
            command=[*command, "--root", str(folder / "files"), str(module), *_arguments(image, workload)],
            env=catalogue.environment(image.env, workload),
            reads=[module.parent, *_HOST_READS],
            overhead_bytes=_OVERHEAD_BYTES,
        )

    def _find(self, workload: Workload) -> tuple[Path, ModuleImage]:
        folder, image = catalogue.find(self._catalogue, workload.image, ModuleImage)
        module = folder / image.module
        if Path(image.module).name != image.module or not module.is_file():
            raise ImageMissing(f"image {workload.image}: its folder holds no file {image.module!r}")
        return module, image

    async def execute(self, run: Run, command: list[str], timeout_s: float) -> int:
        raise RuntimeFault("nothing but its module runs in a wasm replica: take the health command out")

    async def terminal(self, run: Run, command: str | None, columns: int, rows: int) -> Terminal:
        raise RuntimeFault("a wasm replica has no shell: nothing but its module runs in it")


def _arguments(image: ModuleImage, workload: Workload) -> list[str]:
    if workload.entrypoint:
        raise RuntimeFault(f"image {workload.image} is a module: its entrypoint can't be replaced")
    if workload.command and not image.takes_command:
        raise RuntimeFault(f"image {workload.image} takes no command")
    return image.args + list(workload.command or [])
