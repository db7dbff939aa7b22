"""The wasm runtime, with wasmtime in processes of its own."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace
from wasmtime import wat2wasm

from agent.protocol import Workload
from agent.runtimes.base import ImageMissing, Order, Run, RuntimeFault
from agent.runtimes.wasm.runtime import WasmRuntime
from tests.agent.orders import order_for, until

pytestmark = pytest.mark.real
T = TypeVar("T")

FD_WRITE = '(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))'
MODULES = {
    "hello": f"""(module {FD_WRITE}
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\\08\\00\\00\\00\\0b\\00\\00\\00hello wasm\\n")
      (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
        (call $exit (i32.const 3))))""",
    # Prints its arguments, each ended by a NUL, as WASI hands them out.
    "arguments": f"""(module {FD_WRITE}
      (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (drop (call $sizes (i32.const 8) (i32.const 4)))
        (drop (call $args (i32.const 256) (i32.const 1024)))
        (i32.store (i32.const 0) (i32.const 1024))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))""",
    # Makes the file `made` in its root, then looks for /etc/passwd, and exits with both results of path_open.
    "files": """(module
      (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "made")
      (data (i32.const 16) "etc/passwd")
      (func (export "_start") (local $result i32)
        (local.set $result (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)
          (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64)))
        (call $exit (i32.add (i32.mul (i32.const 100) (local.get $result))
          (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 10)
            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64))))))""",
    # Takes memory, a MiB at a time, until it gets no more, and exits with what it has, in MiB.
    "hungry": """(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 16)
      (func (export "_start")
        (block $full (loop $more
          (br_if $full (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
          (br $more)))
        (call $exit (i32.div_u (memory.size) (i32.const 16)))))""",
    "spinning": '(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))',
    "networked": """(module (import "env" "socket" (func)) (memory (export "memory") 1)
      (func (export "_start")))""",
    "startless": '(module (memory (export "memory") 1))',
}


def put_module(home: Path, reference: str, content: bytes, **fields: Any) -> None:
    name, tag = reference.split(":")
    folder = home / "images" / name / tag
    folder.mkdir(parents=True)
    (folder / "module.wasm").write_bytes(content)
    (folder / "image.json").write_text(json.dumps(fields))


@pytest.fixture
def runtime(home: Path) -> WasmRuntime:
    for name, text in MODULES.items():
        put_module(home, f"test/{name}:1", wat2wasm(text))
    return WasmRuntime(home)


def order(image: str, *, lease_s: float = 60, **fields: Any) -> Order:
    workload = Workload(
        image=f"test/{image}:1",
        runtime="wasm",
        cpu_threads=Decimal(1),
        mem_gib=Decimal("0.125"),
        stop_grace_s=1,
    )
    return order_for(replace(workload, **fields), lease_s=lease_s, replica="job-1", generation=1)


async def end_of(runtime: WasmRuntime, run: Run) -> str:
    async def reason() -> str:
        status = await runtime.status(run)
        return "" if status.alive else status.reason

    return await until(reason)


async def test_it_passes_its_self_test_and_leaves_nothing(runtime: WasmRuntime, home: Path) -> None:
    await runtime.self_test()
    assert [each.name for each in (home / "work").iterdir()] == ["wasm"]


async def test_it_runs_a_module_and_tells_its_output_and_its_status(runtime: WasmRuntime) -> None:
    run = await runtime.start(order("hello"))
    assert await end_of(runtime, run) == "exited with status 3: hello wasm"
    assert await runtime.logs(run, 10) == b"hello wasm\n"
    await runtime.remove(run)


async def test_a_module_sees_its_private_folder_and_nothing_of_the_machine(runtime: WasmRuntime) -> None:
    run = await runtime.start(order("files"))
    no_such_file = 44  # WASI's ENOENT
    assert await end_of(runtime, run) == f"exited with status {no_such_file}"
    assert (Path(str(run.detail["folder"])) / "files" / "made").exists()


async def test_a_module_gets_the_memory_that_is_rented_and_no_more(runtime: WasmRuntime) -> None:
    rented_mib = 64
    run = await runtime.start(order("hungry", mem_gib=Decimal(rented_mib) / 1024))
    assert await end_of(runtime, run) == f"exited with status {rented_mib}"


async def test_a_module_ends_when_its_fuel_is_used_up(runtime: WasmRuntime, home: Path) -> None:
    put_module(home, "test/rationed:1", wat2wasm(MODULES["spinning"]), fuel=1_000_000)
    run = await runtime.start(order("rationed"))
    assert await end_of(runtime, run) == "exited with status 134: module.wasm: used up its fuel of 1000000"


async def test_a_spinning_module_is_metered_paused_and_stopped(runtime: WasmRuntime) -> None:
    run = await runtime.start(order("spinning"))

    async def works() -> bool:
        return (await runtime.usage(run)).cpu_ms >= 300

    await until(works)
    await runtime.pause(run)
    assert (await runtime.status(run)).paused
    frozen_at = (await runtime.usage(run)).cpu_ms
    await asyncio.sleep(0.5)
    assert (await runtime.usage(run)).cpu_ms - frozen_at <= 20
    await runtime.resume(run)
    await until(lambda: _beyond(runtime, run, frozen_at + 100))
    await runtime.stop(run, 1)
    assert not (await runtime.status(run)).alive


async def _beyond(runtime: WasmRuntime, run: Run, cpu_ms: int) -> bool:
    return (await runtime.usage(run)).cpu_ms > cpu_ms


async def test_a_module_ends_with_its_lease(runtime: WasmRuntime) -> None:
    run = await runtime.start(order("spinning", lease_s=1))
    assert await end_of(runtime, run) == "its lease ran out"


async def test_an_agent_that_starts_again_finds_its_module(runtime: WasmRuntime, home: Path) -> None:
    run = await runtime.start(order("spinning"))
    assert await WasmRuntime(home).adopt() == [run]
    await runtime.stop(run, 1)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("networked", "it is no module for this host: unknown import: `env::socket` has not been defined"),
        ("startless", "it exports no function _start: build it as a WASI command"),
    ],
)
async def test_a_module_that_does_not_fit_says_why(runtime: WasmRuntime, image: str, reason: str) -> None:
    run = await runtime.start(order(image))
    assert await end_of(runtime, run) == f"exited with status 134: module.wasm: {reason}"


async def test_what_is_no_module_says_so(runtime: WasmRuntime, home: Path) -> None:
    put_module(home, "test/junk:1", b"\x7fELF...")
    assert "it is no module for this host" in await end_of(runtime, await runtime.start(order("junk")))


async def test_arguments_are_the_owners_then_the_teams_where_he_lets_them(
    runtime: WasmRuntime, home: Path
) -> None:
    module = wat2wasm(MODULES["arguments"])
    put_module(home, "test/open:1", module, args=["--own"], takes_command=True)
    run = await runtime.start(order("open", command=["theirs"]))
    await end_of(runtime, run)
    assert await runtime.logs(run, 1) == b"module.wasm\x00--own\x00theirs\x00"
    with pytest.raises(RuntimeFault, match="takes no command"):
        await runtime.start(order("arguments", command=["theirs"]))


async def test_it_refuses_what_it_can_not_do_before_it_starts(runtime: WasmRuntime, home: Path) -> None:
    with pytest.raises(RuntimeFault, match="no network: take the port out"):
        await runtime.prepare(order("hello", port=80).assignment.workload)
    with pytest.raises(ImageMissing, match="not in this bee's catalogue"):
        await runtime.prepare(order("absent").assignment.workload)
    put_module(home, "test/away:1", b"", module="../hello/1/module.wasm")
    with pytest.raises(ImageMissing, match="its folder holds no file"):
        await runtime.prepare(order("away").assignment.workload)
    with pytest.raises(RuntimeFault, match="entrypoint can't be replaced"):
        await runtime.start(order("hello", entrypoint=["/bin/sh"]))
