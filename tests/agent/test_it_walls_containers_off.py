"""A container sees its own network and its own files, and nothing of its neighbours or of the machine."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.runtimes.base import Run
from agent.runtimes.docker.runtime import DockerRuntime
from tests.agent.containers import SERVE, order, said, serves, shell
from tests.needs import needs_docker

pytestmark = [needs_docker, pytest.mark.real]


async def addresses(runtime: DockerRuntime, run: Run) -> tuple[str, str]:
    """The container's own, and its gateway: the machine as the container sees it."""
    [network] = (await runtime._inspect(run.run_id))["NetworkSettings"]["Networks"].values()
    return network["IPAddress"], network["Gateway"]


@contextmanager
def listening(host: str) -> Iterator[int]:
    with socket.create_server((host, 0)) as listener:
        yield listener.getsockname()[1]


async def reaches(runtime: DockerRuntime, run: Run, host: str, port: int) -> bool:
    return await runtime.execute(run, shell(f"nc -w 1 {host} {port} </dev/null"), 10) == 0


async def test_replicas_do_not_reach_each_other(runtime: DockerRuntime, image: str) -> None:
    served = await runtime.start(order(runtime, image, port=80, command=SERVE))
    await serves(runtime, served)
    neighbour = await runtime.start(order(runtime, image))
    address, gateway = await addresses(runtime, served)
    assert await reaches(runtime, served, address, 80), "it would be reached, if it could"
    assert not await reaches(runtime, neighbour, address, 80)
    published = int(served.endpoint.split(":")[1])
    _, own_gateway = await addresses(runtime, neighbour)
    for host in (gateway, own_gateway):
        assert not await reaches(runtime, neighbour, host, published)


async def test_no_two_replicas_are_on_one_network(runtime: DockerRuntime, image: str) -> None:
    await runtime.adopt()
    first = [await runtime.start(order(runtime, image)) for _ in range(3)]
    await runtime.remove(first[0])
    again = await asyncio.gather(*(runtime.start(order(runtime, image)) for _ in range(2)))
    networks = [run.detail["network"] for run in [*first[1:], *again]]
    assert len(set(networks)) == 4
    assert first[0].detail["network"] in networks, "that of one which is gone serves the next"


async def test_it_does_not_reach_what_listens_on_the_loopback_of_the_machine(
    runtime: DockerRuntime, image: str
) -> None:
    run = await runtime.start(order(runtime, image))
    _, gateway = await addresses(runtime, run)
    with listening("127.0.0.1") as port:
        assert not await reaches(runtime, run, gateway, port)
        assert not await reaches(runtime, run, "127.0.0.1", port)


async def test_nothing_but_tmp_can_be_written_where_read_only_is_asked(
    runtime: DockerRuntime, image: str
) -> None:
    command = shell("touch /www/x || echo refused; touch /tmp/x && echo kept; sleep 600")
    run = await runtime.start(order(runtime, image, read_only=True, command=command))
    log = await said(runtime, run, "kept")
    assert "refused" in log


async def test_it_has_no_capability_and_can_gain_none(runtime: DockerRuntime, image: str) -> None:
    command = shell("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; echo end; sleep 600")
    run = await runtime.start(order(runtime, image, command=command))
    log = await said(runtime, run, "end")
    found = dict(line.split(":\t") for line in log.splitlines() if ":" in line)
    caps = {name: int(value, 16) for name, value in found.items() if name.startswith("Cap")}
    assert caps == dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


async def test_it_sees_no_process_but_its_own(runtime: DockerRuntime, image: str) -> None:
    run = await runtime.start(order(runtime, image, command=shell("ps; echo end; sleep 600")))
    log = await said(runtime, run, "end")
    assert "docker-init" in log
    assert "pytest" not in log
    assert str(os.getpid()) not in [line.split()[0] for line in log.splitlines()]
