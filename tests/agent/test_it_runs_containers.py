"""The docker runtime against a real engine, with an image made of Debian's busybox."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent import clock
from agent.health import problem_with
from agent.protocol import HealthCheck
from agent.runtimes.base import ImageMissing, RuntimeFault
from agent.runtimes.docker.runtime import DockerRuntime
from tests.agent.containers import SERVE, clear_away, ended, leave, order, run_at, said, serves, shell
from tests.agent.queen_double import QueenDouble, assignment
from tests.needs import needs_docker

pytestmark = [needs_docker, pytest.mark.real]


async def test_it_serves_on_a_published_port_and_stops(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, port=80, command=SERVE))
    await serves(runtime, run)
    assert run.endpoint.startswith("127.0.0.1:")
    await runtime.stop(run, 1)
    assert not (await runtime.status(run)).alive
    await runtime.remove(run)
    assert await runtime.adopt() == []


async def test_it_gives_a_container_nothing_it_does_not_need(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image))
    settings = (await runtime._inspect(run.run_id))["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges"]
    assert (settings["Memory"], settings["NanoCpus"], settings["PidsLimit"]) == (1 << 26, 500_000_000, 512)
    assert not settings["Binds"]
    assert not settings["Privileged"]
    assert await runtime.execute(run, shell("mount -t tmpfs none /tmp"), 5) != 0


async def test_it_reads_usage_from_the_engine(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=shell("while :; do :; done")))
    first, started_s = await runtime.usage(run), clock.boot_s()
    await asyncio.sleep(1)
    burnt_ms = (await runtime.usage(run)).cpu_ms - first.cpu_ms
    passed_ms = (clock.boot_s() - started_s) * 1000
    assert 100 < burnt_ms < 0.8 * passed_ms, "half a CPU is rented"


async def test_it_counts_what_a_container_sends(runtime: DockerRuntime, image: str) -> None:
    fill = "seq 100000 > /www/index.html; exec httpd -f -p 80 -h /www"
    run = await runtime.start(order(runtime, image, port=80, command=shell(fill)))
    await serves(runtime, run)
    host, port = run.endpoint.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    size = len(await reader.read(-1))
    writer.close()
    assert (await runtime.usage(run)).egress_bytes >= size > 500_000


async def test_it_says_how_a_container_ended(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=shell("exit 7")))
    assert await ended(runtime, run) == "exited with status 7"


async def test_it_says_why_an_image_cannot_be_had(runtime: DockerRuntime) -> None:
    with pytest.raises(ImageMissing, match=r"image registry\.invalid/none:1 can't be pulled: "):
        await runtime.prepare(order(runtime, "registry.invalid/none:1").assignment.workload)


async def test_it_says_why_a_container_did_not_start(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=["no-such-program"]))
    await ended(runtime, run)
    async with asyncio.timeout(5):  # the engine writes the last words a moment after the end
        while "no-such-program" not in (await runtime.status(run)).reason:
            await asyncio.sleep(0.05)


async def test_it_leaves_nothing_of_a_container_that_could_not_be_made(
    runtime: DockerRuntime, image: str
) -> None:
    for _ in range(6):
        with pytest.raises(RuntimeFault, match="Minimum memory limit"):
            await runtime.start(order(runtime, image, mem_gib=Decimal("0.001")))
    assert await runtime.adopt() == []
    assert len(await runtime._networks._of_this_node()) <= 2


async def test_it_starts_an_assignment_once_however_often_it_is_told(
    runtime: DockerRuntime, image: str
) -> None:
    wanted = order(runtime, image)
    await runtime.start(wanted)
    second = await runtime.start(wanted)
    assert await runtime.adopt() == [second]


async def test_it_finds_its_own_containers_again_and_no_others(
    runtime: DockerRuntime, image: str, tmp_path: Path
) -> None:
    run = await runtime.start(order(runtime, image, port=80, command=SERVE))
    again = DockerRuntime.detect(runtime._node_id, home=tmp_path / "bee")
    assert await again.adopt() == [run]
    await leave(again)
    another = DockerRuntime.detect("0xanother", home=tmp_path / "other")
    assert await another.adopt() == []
    await clear_away(another)


async def test_it_freezes_a_container_and_lets_it_go_on(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=shell("while :; do :; done")))
    await runtime.pause(run)
    await runtime.pause(run)
    status, frozen = await runtime.status(run), await runtime.usage(run)
    assert (status.alive, status.paused) == (True, True)
    await asyncio.sleep(0.5)
    assert (await runtime.usage(run)).cpu_ms == frozen.cpu_ms
    await runtime.resume(run)
    await runtime.resume(run)
    async with asyncio.timeout(10):
        while (await runtime.usage(run)).cpu_ms <= frozen.cpu_ms:
            await asyncio.sleep(0.05)
    assert not (await runtime.status(run)).paused


async def test_it_stops_a_container_that_is_frozen(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image))
    await runtime.pause(run)
    await runtime.stop(run, 1)
    assert not (await runtime.status(run)).alive


async def test_it_tells_the_last_lines_of_both_streams(runtime: DockerRuntime, image: str) -> None:
    command = shell("echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three; sleep 600")
    run = await runtime.start(order(runtime, image, command=command))
    await said(runtime, run, "three")
    assert await runtime.logs(run, 2) == b"two\nthree\n"


async def test_it_tells_who_follows_each_line_once(runtime: DockerRuntime, image: str) -> None:
    command = shell("for i in 1 2 3; do echo tick; done; read go < /tmp/go; echo tick; echo tock; sleep 600")
    make = shell("mkfifo /tmp/go 2>/dev/null; " + command[-1])
    run = await runtime.start(order(runtime, image, command=make))
    await said(runtime, run, "tick")
    heard, mark = await runtime.logs_after(run, "", 2)
    assert heard == b"tick\ntick\n"
    assert await runtime.logs_after(run, mark, 2) == (b"", mark)
    assert await runtime.execute(run, shell("echo > /tmp/go"), 5) == 0
    await said(runtime, run, "tock")
    assert (await runtime.logs_after(run, mark, 2))[0] == b"tick\ntock\n"


async def test_it_proves_that_the_engine_can_do_it_all(runtime: DockerRuntime) -> None:
    await runtime.self_test()
    assert await runtime.adopt() == []


async def test_it_opens_a_shell_on_a_terminal(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image))
    terminal = await runtime.terminal(run, None, 100, 30)
    await terminal.write(b"stty size; echo $HIVE_REPLICA; exit 5\n")
    output = b""
    async with asyncio.timeout(10):
        while data := await terminal.read():
            output += data
    assert b"30 100" in output
    assert b"web-1" in output
    assert await terminal.wait() == 5
    await terminal.close()


async def test_it_works_with_containers_through_its_whole_life(
    queen: QueenDouble, running_bee: Any, image: str
) -> None:
    async with running_bee("--stop-replicas", runtime="docker"):
        given = assignment(await queen.agree(image=image, mem="0.0625"), port=80, command=SERVE)
        await queen.want(given)
        seen = await queen.until(lambda: queen.is_seen(given, "healthy"), timeout_s=20)
        assert await problem_with(run_at(seen.endpoint), HealthCheck(kind="http", path="/"), None) == ""  # type: ignore[arg-type]
        await queen.want()
        await queen.until(lambda: any(note.final for note in queen.notes), timeout_s=20)
    chain = queen.usage[given.agreement_id].values()
    assert sum(each.running_ms for each in chain) > 0
    assert sum(each.cpu_ms for each in chain) > 0
