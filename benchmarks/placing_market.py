"""A market to place in: nodes, offers and services of a fixed seed: every run solves the same problem.

Prices are spread as real ones are, log-normally: two thirds of the offers within a factor of 1.6 of the
median, and few very cheap ones. A few owners have many nodes, a third of the nodes is partly let, and one in
five is new here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from apps.market.needs import Want

SEED = 20261121
BATCH = 5000
RUNTIMES = ("docker", "process")
REGIONS = {
    "eu-central": 20,
    "eu-west": 15,
    "eu-north": 8,
    "us-east": 15,
    "us-west": 10,
    "us-central": 6,
    "ap-south": 6,
    "ap-east": 8,
    "sa-east": 4,
    "": 8,
}
"""And how many of a hundred nodes are there; "" says nothing of its region."""
FILTERS = (
    "(golem.inf.cpu.architecture=x86_64)",
    "(&(golem.inf.mem.gib>=8)(!(golem.inf.cpu.architecture=aarch64)))",
    "(|(hive.disk.kind=nvme)(golem.inf.storage.gib>=200))",
    "(&(golem.inf.cpu.threads>=8)(hive.disk.kind=*))",
    "(golem.inf.cpu.brand=*EPYC*)",
    "(!(hive.disk.kind=hdd))",
)
SIZES = (("0.25", "0.5"), ("0.5", "1"), ("1", "2"), ("1", "4"), ("2", "4"), ("4", "8"))
"""Threads and GiB of a replica."""


def fill(offers: int, *, beside: int = 0) -> None:
    """So many live offers more, two of them on each third node; `beside` are there already."""
    from django.utils import timezone

    from apps.market.models import NodeReputation
    from apps.nodes.models import Node, NodeBenchmark, Offer

    rng, now = np.random.default_rng([SEED, beside]), timezone.now()
    owners = _owners(offers // 5, first=beside)
    drawn = list(_draw(rng, offers, owners=len(owners), first=beside))
    for begin in range(0, len(drawn), BATCH):
        batch = drawn[begin : begin + BATCH]
        nodes = Node.objects.bulk_create([_node(one, owners, now) for one in batch])
        figures = [
            NodeBenchmark(node=node, at=now, **one["figures"]) for node, one in zip(nodes, batch, strict=True)
        ]
        for node, measured in zip(nodes, NodeBenchmark.objects.bulk_create(figures), strict=True):
            node.benchmark = measured
        Node.objects.bulk_update(nodes, ["benchmark"], batch_size=1000)
        NodeReputation.objects.bulk_create(
            [NodeReputation(node_id=one["id"], computed_at=now, **one["reputation"]) for one in batch]
        )
        Offer.objects.bulk_create([offer for one in batch for offer in _offers(one, now)], batch_size=BATCH)


def services(replicas: int, *, count: int = 24) -> list[Want]:
    """So many replicas of `count` services: half with a filter, some in regions, spread or fast."""
    from apps.market.needs import Need, Want

    rng = np.random.default_rng(SEED)
    shares = np.maximum(np.floor(rng.dirichlet(np.full(count, 2.0)) * replicas), 1).astype(int)
    shares[0] += replicas - shares.sum()
    wants = []
    for number, share in enumerate(shares.tolist()):
        cpu_threads, mem_gib = SIZES[int(rng.integers(len(SIZES)))]
        need = Need(
            runtimes=RUNTIMES if number % 3 == 0 else RUNTIMES[:1],
            cpu_threads=Decimal(cpu_threads),
            mem_gib=Decimal(mem_gib),
            group=f"service {number}",
            **_asked(number, share),
        )
        wants.append(Want(need, share))
    return wants


def _asked(number: int, replicas: int) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if number % 2 == 0:
        asked["constraints"] = FILTERS[number // 2 % len(FILTERS)]
    if number % 4 == 1:
        asked["regions"] = ("eu-*",) if number % 8 == 1 else ("us-*", "eu-west")
    elif number % 7 == 3:
        asked["spread"] = "region"
    if number % 5 == 2 and replicas <= 60:
        asked |= {"spread": "owner", "spread_required": True}
    if number % 6 == 4:
        asked["benchmarks"] = {"cpu": 28.0, "down_mbit_s": 50.0}
    return asked


def _owners(count: int, *, first: int) -> list[int]:
    from django.contrib.auth import get_user_model

    model = get_user_model()
    people = [model(username=f"owner {number}") for number in range(first, first + count)]
    return [one.pk for one in model.objects.bulk_create(people, batch_size=BATCH)]


def _draw(rng: np.random.Generator, offers: int, *, owners: int, first: int) -> Iterator[dict[str, Any]]:
    shares = np.array(list(REGIONS.values())) / sum(REGIONS.values())
    listed, number = 0, first
    while listed < offers:
        threads = int(rng.choice([2, 4, 8, 16, 32, 64], p=[0.15, 0.3, 0.3, 0.15, 0.07, 0.03]))
        level = float(np.exp(rng.normal(0, 0.45)))
        runtimes = RUNTIMES[: 2 if number % 3 == 0 and listed + 1 < offers else 1]
        listed += len(runtimes)
        yield {
            "id": f"0x{number:040x}",
            "owner": int(rng.zipf(1.6)) % owners,
            "region": str(rng.choice(list(REGIONS), p=shares)),
            "threads": threads,
            "mem_gib": threads * int(rng.choice([1, 2, 4])),
            "let": float(rng.choice([0, 0, 0, 0.25, 0.5, 1])),
            "cpu_second_glm": Decimal(f"{2.8e-6 * level * float(np.exp(rng.normal(0, 0.2))):.18f}"),
            "second_glm": Decimal(f"{1.4e-6 * level * float(np.exp(rng.normal(0, 0.3))):.18f}"),
            "runtimes": runtimes,
            "architecture": str(rng.choice(["x86_64", "aarch64"], p=[0.85, 0.15])),
            "brand": str(rng.choice(["AMD EPYC 7B12", "AMD Ryzen 7 5700G", "Intel Core i5-12400"])),
            "disk": str(rng.choice(["nvme", "ssd", "hdd"])),
            "figures": {
                "cpu_single": float(rng.normal(30, 8)),
                "mem_gib_s": 10.0,
                "down_mbit_s": float(rng.lognormal(4, 1)),
                "round_trip_ms": float(rng.lognormal(3.7, 0.6)),
            },
            "reputation": {
                "score": float(rng.beta(9, 1)),
                "is_newcomer": bool(rng.random() < 0.2),
                "kept": int(rng.integers(0, 30)),
                "lost": int(rng.integers(0, 3)),
            },
        }
        number += 1


def _node(one: dict[str, Any], owners: list[int], now: Any) -> Any:
    from apps.nodes.models import Node, NodeState

    let = Decimal(str(one["let"]))
    return Node(
        id=one["id"],
        owner_id=owners[one["owner"]],
        name=f"bee {one['id'][-6:]}",
        state=NodeState.ONLINE,
        deadline_at=now.replace(year=now.year + 1),
        approved_at=now,
        last_seen_at=now,
        region=one["region"],
        cpu_threads=one["threads"],
        mem_gib=one["mem_gib"],
        storage_gib=one["threads"] * 20,
        cpu_threads_claimed=one["threads"] * let,
        mem_gib_claimed=one["mem_gib"] * let,
    )


def _offers(one: dict[str, Any], now: Any) -> Iterator[Any]:
    from apps.nodes.models import Offer

    properties = {
        "golem.inf.cpu.architecture": one["architecture"],
        "golem.inf.cpu.brand": one["brand"],
        "golem.inf.cpu.threads": one["threads"],
        "golem.inf.mem.gib": one["mem_gib"],
        "golem.inf.storage.gib": one["threads"] * 20,
        "hive.disk.kind": one["disk"],
    }
    for runtime in one["runtimes"]:
        yield Offer(
            id=uuid.uuid5(uuid.NAMESPACE_URL, f"{one['id']} {runtime}"),
            node_id=one["id"],
            runtime=runtime,
            cpu_threads=one["threads"],
            mem_gib=one["mem_gib"],
            storage_gib=one["threads"] * 20,
            cpu_second_glm=one["cpu_second_glm"],
            second_glm=one["second_glm"],
            properties=properties | {"golem.runtime.name": runtime},
            issued_at=now,
            deadline_at=now.replace(year=now.year + 1),
            signature="0x",
        )
