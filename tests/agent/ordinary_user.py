"""A scenario for a user without any rights: `python ordinary_user.py HOME`, run by a test, tells what it saw.

A program of its own, since the tests may run as root, whose interpreter another user can't read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from agent.runtimes.process import ProcessRuntime
from tests.agent.natives import end_of, order, until

PROGRAM = """
import json, os, subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.4: pass"])
lines = open("/proc/self/status").read().splitlines()
status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
print(json.dumps({
    "user": os.getuid(),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[:3],
    "home": sorted(os.listdir(os.environ["BEE"])),
    "powers": status["CapEff"].strip(),
    "nested": subprocess.run(["unshare", "--user", "true"], stderr=subprocess.DEVNULL).returncode,
}), flush=True)
time.sleep(600)
"""


async def scenario(home: Path) -> dict[str, Any]:
    image = home / "images/test/seen/1"
    image.mkdir(parents=True)
    (home / "keystore.json").write_text("the key")
    (image / "program.py").write_text(PROGRAM)
    description = {"entrypoint": [sys.executable, "-u", "./program.py"], "env": {"BEE": str(home)}}
    (image / "image.json").write_text(json.dumps(description))
    runtime = ProcessRuntime(home)
    run = await runtime.start(order("seen"))
    said = json.loads(await until(lambda: runtime.logs(run, 1), 20))
    used_ms = (await runtime.usage(run)).cpu_ms
    terminal = await runtime.terminal(run, "hostname; id -u; ls /proc/1/exe; exit 3", 80, 24)
    shell = b""
    while data := await terminal.read():
        shell += data
    inside = f'test "$(hostname)" = web-1 && ! test -e {home}/keystore.json'
    seen = {
        **said,
        "agent": os.getuid(),
        "used_ms": used_ms,
        "confined": runtime.confines_console(run),
        "command": await runtime.execute(run, ["/bin/sh", "-c", inside], 5),
        "shell": shell.decode().split("\r\n")[:2],
        "shell_status": await terminal.wait(),
    }
    await terminal.close()
    await runtime.pause(run)
    seen["paused"] = (await runtime.status(run)).paused
    await runtime.resume(run)
    await runtime.stop(run, 1)
    seen |= {"end": await end_of(runtime, run), "used_in_all_ms": (await runtime.usage(run)).cpu_ms}
    await runtime.remove(run)
    return seen | {"left": [each.name for each in (home / "work/process").iterdir()]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(scenario(Path(sys.argv[1])))))
