"""The host of one WebAssembly module: a small process, under the replica's guard.

    python -I host.py --memory BYTES [--fuel UNITS] [--root FOLDER] MODULE [ARGUMENT ...]
    python -I host.py --self-test

The module speaks WASI preview 1. Of the machine it sees its arguments, its variables, its standard streams
and FOLDER as `/`; it has no network, no clock but the host's, and no other process. Its linear memory ends at
BYTES. Each instruction costs about one unit of fuel: a module that has used up what it was given ends.

The exit status is the module's own, 0 to 125; 134 when the engine ended it: the last line of output says why.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from wasmtime import (
    Config,
    Engine,
    ExitTrap,
    Linker,
    Module,
    Store,
    Trap,
    TrapCode,
    WasiConfig,
    WasmtimeError,
)

ABORTED = 134
"""As a shell tells SIGABRT, which is how native programs end when something is badly wrong."""
_TABLE_ELEMENTS = 1_000_000

SELF_TEST = """(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (memory.grow (i32.const 1)))
    (call $exit (memory.size))))"""
"""Asks for a second page (64 KiB) and exits with the number of pages that it has."""


class Unusable(Exception):
    """The module can't be run; the text says why."""


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    if asked.self_test:
        return _self_test()
    try:
        return run(
            asked.module.read_bytes(),
            arguments=[asked.module.name, *asked.arguments],
            environment=_within(os.environ),
            root=asked.root,
            memory_bytes=asked.memory,
            fuel=asked.fuel,
        )
    except (OSError, Unusable) as error:
        print(f"{asked.module.name}: {error}", file=sys.stderr)
        return ABORTED


def _within(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables as they are true inside, where the private folder is all there is."""
    return {name: value for name, value in environment.items() if name != "PATH"} | {
        "HOME": "/",
        "TMPDIR": "/",
    }


def run(
    module: bytes | str,
    *,
    arguments: Sequence[str] = (),
    environment: dict[str, str],
    root: Path | None = None,
    memory_bytes: int,
    fuel: int | None = None,
) -> int:
    """Run it to its end; `module` is a binary, or its text. Raises Unusable."""
    engine = _engine(metered=fuel is not None)
    store = Store(engine)
    store.set_limits(memory_size=memory_bytes, table_elements=_TABLE_ELEMENTS, instances=1, memories=1)
    if fuel is not None:
        store.set_fuel(fuel)
    store.set_wasi(_system(arguments, environment, root))
    try:
        linker = Linker(engine)
        linker.define_wasi()
        start = linker.instantiate(store, Module(engine, module)).exports(store)["_start"]
    except KeyError:
        raise Unusable("it exports no function _start: build it as a WASI command") from None
    except (WasmtimeError, Trap) as error:
        raise Unusable(f"it is no module for this host: {_first_line(error)}") from None
    try:
        start(store)  # type: ignore[operator]  # an export may be a memory; _start is a function
    except ExitTrap as end:
        return end.code
    except Trap as trap:
        raise Unusable(_explain(trap, fuel)) from None
    return 0


def _engine(*, metered: bool) -> Engine:
    config = Config()
    config.consume_fuel = metered
    config.wasm_threads = False  # a shared memory would not be the store's to limit
    return Engine(config)


def _system(arguments: Sequence[str], environment: dict[str, str], root: Path | None) -> WasiConfig:
    wasi = WasiConfig()
    wasi.argv = list(arguments)
    wasi.env = list(environment.items())
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    if root:
        wasi.preopen_dir(str(root), "/")
    return wasi


def _explain(trap: Trap, fuel: int | None) -> str:
    if trap.trap_code == TrapCode.OUT_OF_FUEL:
        return f"used up its fuel of {fuel}"
    return _first_line(trap)


def _first_line(error: Exception) -> str:
    """What went wrong, without the engine's backtrace and without a piece of the module."""
    lines = [line.strip() for line in str(error).splitlines()]
    traps = [line for line in lines if line.startswith("wasm trap:")]
    return (traps or lines)[0][:300]


def _self_test() -> int:
    """0 where modules run and the limit on memory holds."""
    page = 64 * 1024
    free = run(SELF_TEST, environment={}, memory_bytes=2 * page, fuel=1000)
    limited = run(SELF_TEST, environment={}, memory_bytes=page, fuel=1000)
    if (free, limited) == (2, 1):
        return 0
    print(f"a module got {free} and {limited} pages of memory, expected 2 and 1", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wasm_host", allow_abbrev=False)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--fuel", type=int)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("module", type=Path, nargs="?")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
