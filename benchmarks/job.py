"""One small job in every form that a runtime takes: says `up`, works, says how many milliseconds that took.

The work is a chain of xorshift steps, each waiting for the one before: it measures the CPU and nothing else.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

STEPS = 400_000_000

C = """
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}
int main(void) {
    puts("up");
    fflush(stdout);
    int64_t begun = now_ns();
    uint64_t x = 88172645463325252ULL;
    for (int64_t i = 0; i < STEPS; i++) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; }
    printf("%lld ms %d\\n", (long long)((now_ns() - begun) / 1000000), (int)(x & 1));
    fflush(stdout);
    for (;;) sleep(1000);
}
"""

WAT = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "up\\n")
  (data (i32.const 96) "         0 ms\\n")
  (func $say (param $from i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $from))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $now (result i64)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 16)))
    (i64.load (i32.const 16)))
  (func $digits (param $number i64) (local $at i32)
    (local.set $at (i32.const 105))
    (loop $next
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (local.set $number (i64.div_u (local.get $number) (i64.const 10)))
      (br_if $next (i64.ne (local.get $number) (i64.const 0)))))
  (func (export "_start") (local $begun i64) (local $i i64) (local $x i64)
    (call $say (i32.const 64) (i32.const 3))
    (local.set $begun (call $now))
    (local.set $x (i64.const 88172645463325252))
    (loop $step
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $step (i64.lt_u (local.get $i) (i64.const STEPS))))
    (i64.store (i32.const 32) (local.get $x))
    (call $digits (i64.div_u (i64.sub (call $now) (local.get $begun)) (i64.const 1000000)))
    (call $say (i32.const 96) (i32.const 14))
    ;; Sleep for a thousand seconds: one subscription to the monotonic clock.
    (i32.store (i32.const 272) (i32.const 1))
    (i64.store (i32.const 280) (i64.const 1000000000000))
    (drop (call $poll (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 600)))))"""


def program(folder: Path) -> Path:
    """The job as a static native program."""
    if not shutil.which("gcc"):
        raise RuntimeError(
            "gcc is needed to build the job: install it (Debian: apt-get install gcc libc6-dev)"
        )
    source, built = folder / "job.c", folder / "job"
    source.write_text(C)
    subprocess.run(["gcc", "-O2", "-static", f"-DSTEPS={STEPS}LL", "-o", built, source], check=True)
    return built


def module() -> bytes:
    """The job as a WebAssembly module."""
    from wasmtime import wat2wasm

    return bytes(wat2wasm(WAT.replace("STEPS", str(STEPS))))


def file_system(job: Path) -> bytes:
    """A tar file that holds the program as /job: the smallest container image."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        tar.add(job, "job")
    return whole.getvalue()
