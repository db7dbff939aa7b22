"""What a container is given and what it says of itself, in the words of the Docker Engine API. All pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agent import clock
from agent.runtimes.base import Order, Run

NODE, ASSIGNMENT, AGREEMENT, GENERATION = "hive.node", "hive.assignment", "hive.agreement", "hive.generation"
ADVERTISE, STORAGE, GPUS = "hive.advertise", "hive.storage-bytes", "hive.gpus"
NAME = "docker"
_PROCESSES = 512
_FIRST_TO_DIE = 500
"""Out-of-memory score: when the machine runs short, what is rented goes before what is the owner's."""
_LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}


def name_of(assignment_id: str) -> str:
    """One container per assignment: the engine refuses a second of that name."""
    return f"hive-{assignment_id}"


def creation(
    order: Order, *, image: str, network: str, storage_bytes: int, gpus: Sequence[str] = ()
) -> dict[str, Any]:
    """Body of `POST /containers/create`: nothing the replica does not need, and a limit on all it has.

    `gpus` are the ids of those that it gets.
    """
    assignment, workload = order.assignment, order.assignment.workload
    port = f"{workload.port}/tcp"
    memory = int(workload.mem_gib * (1 << 30))
    return {
        "Image": image,
        "Cmd": workload.command,
        "Entrypoint": workload.entrypoint,
        "Env": [f"{name}={value}" for name, value in _variables(order, gpus).items()],
        "Hostname": assignment.replica,
        "Labels": {
            NODE: order.node_id,
            ASSIGNMENT: assignment.assignment_id,
            AGREEMENT: assignment.agreement_id,
            GENERATION: str(assignment.generation),
            ADVERTISE: order.advertise,
            STORAGE: str(storage_bytes),
            **({GPUS: ",".join(gpus)} if gpus else {}),
        },
        "ExposedPorts": {port: {}} if workload.port else {},
        "HostConfig": {
            "NetworkMode": network,
            "PortBindings": {port: [_binding(order.advertise)]} if workload.port else {},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": workload.read_only,
            "Tmpfs": {"/tmp": f"rw,nosuid,nodev,mode=1777,size={memory}"} if workload.read_only else {},
            "DeviceRequests": [_these(gpus)] if gpus else [],
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": int(workload.cpu_threads * 1_000_000_000),
            "PidsLimit": _PROCESSES,
            "OomScoreAdj": _FIRST_TO_DIE,
            "Ulimits": [
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "fsize", "Soft": storage_bytes, "Hard": storage_bytes},
            ],
            "LogConfig": _LOG,
            "Init": True,
        },
    }


def limited(body: dict[str, Any]) -> dict[str, Any]:
    """The same with a limit on its storage, which overlay2 on XFS with quotas, btrfs and zfs know to keep."""
    return body | {"HostConfig": body["HostConfig"] | {"StorageOpt": {"size": body["Labels"][STORAGE]}}}


def run_of(attributes: dict[str, Any]) -> Run:
    """From `GET /containers/<id>/json`."""
    labels = attributes["Config"]["Labels"]
    return Run(
        run_id=attributes["Id"],
        assignment_id=labels[ASSIGNMENT],
        agreement_id=labels.get(AGREEMENT, ""),
        runtime=NAME,
        endpoint=_endpoint(attributes, labels.get(ADVERTISE, "")),
        detail={
            "network": attributes["HostConfig"]["NetworkMode"],
            "storage_bytes": int(labels.get(STORAGE, 0)),
        },
    )


def how_it_ended(state: dict[str, Any]) -> str:
    if state.get("OOMKilled"):
        return "killed: out of memory, it used all that is rented"
    return f"exited with status {state['ExitCode']}"


def boot_s(engine_time: str) -> float | None:
    """The engine's RFC 3339 instants have nine decimals, Python reads six. None: it has no such instant."""
    try:
        ended = datetime.fromisoformat(engine_time.split(".")[0].rstrip("Z") + "+00:00").timestamp()
    except ValueError:
        return None
    return clock.boot_s() - max(0.0, time.time() - ended)


def _these(gpus: Sequence[str]) -> dict[str, Any]:
    """Source: Docker Engine API, `DeviceRequest`."""
    return {"Driver": "nvidia", "DeviceIDs": list(gpus), "Capabilities": [["gpu"]]}


def _variables(order: Order, gpus: Sequence[str]) -> dict[str, str]:
    """Where NVIDIA's runtime is the engine's default, a team's variable could name any GPU: not here."""
    workload = order.assignment.workload
    own = {
        "NVIDIA_VISIBLE_DEVICES": ",".join(gpus) or "void",
        "HIVE_REPLICA": order.assignment.replica,
        "HIVE_NODE": order.node_id,
        "HIVE_GENERATION": str(order.assignment.generation),
    }
    return workload.environment | own | ({"PORT": str(workload.port)} if workload.port else {})


def _binding(advertise: str) -> dict[str, str]:
    """A free port. Loopback stays loopback; any other name may be NAT's, so all addresses are bound."""
    return {
        "HostIp": "127.0.0.1" if advertise in ("127.0.0.1", "localhost") else "0.0.0.0",
        "HostPort": "",
    }


def _endpoint(attributes: dict[str, Any], advertise: str) -> str:
    published = (attributes.get("NetworkSettings", {}).get("Ports") or {}).values()
    ports = [binding["HostPort"] for bindings in published for binding in bindings or []]
    return f"{advertise}:{ports[0]}" if ports else ""
