"""GPUs, each to one container at a time.

No machine of ours has one: which are chosen and what the engine is asked for is tested as it would be said to
it, with containers of a real engine as their holders; that NVIDIA's toolkit then gives the card is not.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from agent import gpus
from agent.config import Config, Rent
from agent.gpus import Gpu
from agent.offers import make_offers
from agent.protocol import Price
from agent.runtimes.base import RuntimeFault
from agent.runtimes.docker import container
from agent.runtimes.docker.gpus import Gpus, choose, held
from agent.runtimes.docker.runtime import DockerRuntime
from agent.runtimes.process import ProcessRuntime
from tests.agent.containers import order
from tests.agent.natives import order as native_order
from tests.needs import needs_docker

A, B, C = (f"GPU-{letter * 8}" for letter in "abc")
BIG, SMALL = "NVIDIA A100 80GB PCIe", "NVIDIA GeForce RTX 3090"


class SomeRuntime:
    _node_id = "0xbee"


def machine(root: Path, *told: str) -> Path:
    """A file system as NVIDIA's driver shows it."""
    for number, text in enumerate(told, 1):
        folder = root / f"proc/driver/nvidia/gpus/0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(text)
    return root


def information(model: str, id: str) -> str:
    return f"Model: \t\t {model}\nIRQ:   \t\t 24\nGPU UUID: \t {id}\nBus Type: \t PCIe\n"


def test_it_knows_those_that_the_driver_tells(tmp_path: Path) -> None:
    root = machine(
        tmp_path, information(BIG, A), information(SMALL, B), information(BIG, "GPU-????????"), "IRQ: 1\n"
    )
    assert gpus.installed(root) == [Gpu(A, BIG), Gpu(B, SMALL)]
    assert gpus.installed(tmp_path / "elsewhere") == []


def test_it_tells_them_in_golems_names() -> None:
    assert gpus.properties([]) == {}
    assert gpus.properties([Gpu(A, BIG), Gpu(B, SMALL), Gpu(C, BIG)]) == {
        "golem.!exp.gap-35.v1.inf.gpu.model": BIG,
        "golem.!exp.gap-35.v1.inf.gpu.d0.model": BIG,
        "golem.!exp.gap-35.v1.inf.gpu.d0.quantity": 2,
        "golem.!exp.gap-35.v1.inf.gpu.d1.model": SMALL,
        "golem.!exp.gap-35.v1.inf.gpu.d1.quantity": 1,
    }


@pytest.mark.parametrize(("rented", "offered"), [(0, 0), (1, 1), (9, 2)])
def test_it_offers_what_the_owner_rents_out_and_the_runtime_gives(rented: int, offered: int) -> None:
    class Docker:
        name, version, gpus = "docker", "27", [Gpu(A, BIG), Gpu(B, BIG)]

    class Process:
        name, version = "process", "1"

    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1), gpus=rented)
    given_offers = make_offers(
        runtimes=[Docker(), Process()],  # type: ignore[list-item]
        config=Config(url="http://q", name="b", advertise="h", rent=rent),
        asked=Price(),
        machine={},
        key=Account.create(),
        chain_id=1,
        now_ms=0,
    )
    assert {each.runtime: each.gpus for each in given_offers} == {"docker": offered, "process": 0}
    quantities = [each.properties.get("golem.!exp.gap-35.v1.inf.gpu.d0.quantity", 0) for each in given_offers]
    assert quantities == [offered, 0]


def body(*chosen: str, **fields: Any) -> dict[str, Any]:
    wanted = order(SomeRuntime(), "app:1", **fields)
    return container.creation(wanted, image="id", network="n", storage_bytes=1, gpus=chosen)


def test_it_asks_the_engine_for_those_very_ones() -> None:
    asked = body(A, C)
    assert asked["HostConfig"]["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": [A, C], "Capabilities": [["gpu"]]}
    ]
    assert asked["Labels"][container.GPUS] == f"{A},{C}"
    assert f"NVIDIA_VISIBLE_DEVICES={A},{C}" in asked["Env"]


def test_who_rents_none_gets_none_whatever_a_variable_says() -> None:
    asked = body(environment={"NVIDIA_VISIBLE_DEVICES": "all"})
    assert asked["HostConfig"]["DeviceRequests"] == []
    assert container.GPUS not in asked["Labels"]
    assert [each for each in asked["Env"] if "NVIDIA" in each] == ["NVIDIA_VISIBLE_DEVICES=void"]


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.sets(st.sampled_from("abcdefgh")),
    st.integers(1, 8),
)
def test_it_chooses_as_many_as_are_asked_of_those_that_are_free(
    there: list[str], taken: Collection[str], count: int
) -> None:
    free = [each for each in there if each not in taken]
    if count > len(free):
        with pytest.raises(
            RuntimeFault, match=f"{count} GPUs are asked, {len(free)} of {len(there)} are free"
        ):
            choose(count, there, taken)
    else:
        assert choose(count, there, taken) == free[:count]


def test_what_an_earlier_start_left_of_the_same_assignment_makes_room() -> None:
    def holder(assignment: str, *ids: str) -> dict[str, Any]:
        return {"Labels": {container.ASSIGNMENT: assignment, container.GPUS: ",".join(ids)}}

    there = [holder("mine", A), holder("theirs", B, C)]
    assert held(there) == {A, B, C}
    assert held(there, except_for="mine") == {B, C}


# -- with a real engine -----------------------------------------------------------------------------------


@pytest.fixture
async def holders(runtime: DockerRuntime, image: str) -> AsyncIterator[Any]:
    """`await hold(A)`: a container that says it has it, made by the engine and never started."""
    made: list[str] = []

    async def hold(id: str) -> None:
        labels = {container.GPUS: id, container.ASSIGNMENT: str(uuid.uuid4())}
        body = {"Image": image, "Cmd": ["true"], "Labels": labels, "HostConfig": {"NetworkMode": "none"}}
        create = runtime._engine.api.create_container_from_config
        made.append((await runtime._engine.ask(create, body, f"hive-holder-{uuid.uuid4()}"))["Id"])

    yield hold
    for each in made:
        await runtime._engine.ask(runtime._engine.api.remove_container, each, force=True)


@needs_docker
@pytest.mark.real
async def test_it_gives_none_that_any_container_has(runtime: DockerRuntime, holders: Any) -> None:
    mine = [f"GPU-{uuid.uuid4()}" for _ in range(3)]
    free = Gpus(runtime._engine, [Gpu(id, BIG) for id in mine])
    async with free.chosen(2, "one") as chosen:
        assert chosen == mine[:2]
        await holders(mine[0])
    async with free.chosen(2, "other") as chosen:
        assert chosen == mine[1:]
    async with free.chosen(0, "none") as chosen:
        assert chosen == []
    with pytest.raises(RuntimeFault, match="3 GPUs are asked, 2 of 3 are free"):
        async with free.chosen(3, "third"):
            pass


@needs_docker
@pytest.mark.real
async def test_it_offers_none_where_the_engine_gives_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver without NVIDIA's container toolkit."""
    monkeypatch.setattr("agent.runtimes.docker.runtime.installed", lambda: [Gpu(A, BIG)])
    runtime = DockerRuntime.detect("0x" + uuid.uuid4().hex, home=home)
    assert runtime.gpus
    with caplog.at_level(logging.WARNING):
        await runtime.self_test()
    assert runtime.gpus == []
    assert "the engine gives no GPU, so none is offered" in caplog.text


@pytest.mark.real
async def test_other_runtimes_give_none_and_say_so(home: Path) -> None:
    with pytest.raises(RuntimeFault, match="runtime process gives no GPUs: docker does"):
        await ProcessRuntime(home).start(native_order("server", gpus=1))
