"""Keys that Compose knows and the Hive treats its own way: left out with a note, or refused with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.protocol import RUNTIMES as RUNTIMES

STRATEGIES: Final = ("cheapest", "best_value", "spread", "nearest")

_OWN_NAMES = "left out: each replica has a name of its own, such as web-1"
_OWN_LOGS = "left out: logs stay with the Bee"
_OWN_PACE = "left out: the Hive replaces replicas one at a time"

HARMLESS: Final[dict[tuple[str, ...], str]] = {
    ("version",): "left out: Compose itself no longer reads it",
    ("services", "*", "container_name"): _OWN_NAMES,
    ("services", "*", "hostname"): _OWN_NAMES,
    ("services", "*", "logging"): _OWN_LOGS,
    ("services", "*", "init"): "left out: the runtime looks after its processes",
    ("services", "*", "tty"): "left out: a console brings its own terminal",
    ("services", "*", "stdin_open"): "left out: a console brings its own terminal",
    ("services", "*", "pull_policy"): "left out: the Bee pulls an image it doesn't have",
    ("services", "*", "depends_on"): "left out: services start at the same time, so let this one retry",
    ("services", "*", "deploy", "labels"): "left out: give labels to the service",
    ("services", "*", "deploy", "restart_policy"): "left out: a replica that ends is always replaced",
    ("services", "*", "deploy", "update_config"): _OWN_PACE,
    ("services", "*", "deploy", "rollback_config"): _OWN_PACE,
}
"""Left out without harm: the file means the same without them, or nearly so, and a note says so."""

_DEVICES = ("services", "*", "deploy", "resources", "reservations", "devices", "*")

REMEDIES: Final[dict[tuple[str, ...], str]] = {
    (
        "services",
        "*",
        "build",
    ): "images aren't built here: build and push the image, then name it under image",
    (
        "services",
        "*",
        "volumes",
    ): "volumes aren't kept yet: a replica starts with an empty disk; leave them out",
    (
        "services",
        "*",
        "networks",
    ): "services have no network of their own yet: reach each other through the edge",
    (
        "services",
        "*",
        "links",
    ): "services have no network of their own yet: reach each other through the edge",
    ("services", "*", "network_mode"): "not possible on other people's machines; leave it out",
    ("services", "*", "privileged"): "not possible on other people's machines; leave it out",
    ("services", "*", "env_file"): "the file stays on your machine: write its variables under environment",
    ("services", "*", "secrets"): "not supported yet: pass what the service needs under environment",
    ("services", "*", "configs"): "not supported yet: put the file into the image",
    ("services", "*", "scale"): "write deploy.replicas instead",
    ("services", "*", "profiles"): "not supported: leave services that shouldn't run out of the file",
    (
        "services",
        "*",
        "deploy",
        "placement",
    ): "choose nodes with x-hive.region, x-hive.constraints, x-hive.spread and x-hive.affinity",
    ("services", "*", "deploy", "resources", "*", "pids"): "not supported; leave it out",
    ("services", "*", "deploy", "resources", "limits", "devices"): "write devices under reservations",
    (*_DEVICES, "device_ids"): "which of a node's GPUs are free differs: write count instead",
    (*_DEVICES, "options"): "not supported; leave it out",
    ("services", "*", "gpus", "*", "device_ids"): "which of a node's GPUs are free differs: write count",
    ("services", "*", "gpus", "*", "options"): "not supported; leave it out",
    ("services", "*", "runtime"): "choose the Hive's own with x-hive.runtime",
    ("services", "*", "devices"): "GPUs are asked for with gpus: 1; no other devices can be rented",
    ("services", "*", "healthcheck", "start_interval"): "not supported: interval is used from the start",
    ("volumes",): "volumes aren't kept yet: a replica starts with an empty disk; leave them out",
    ("networks",): "services have no network of their own yet: leave it out",
    ("secrets",): "not supported yet: pass what the services need under environment",
    ("configs",): "not supported yet: put the files into the image",
    ("include",): "not supported: put everything into one file (`docker compose config` does)",
}
"""Can't be honoured; dropping them silently would make another service of it."""


def advice_for(table: Mapping[tuple[str, ...], str], path: tuple[str | int, ...]) -> str | None:
    for pattern, text in table.items():
        if len(pattern) == len(path) and all(
            want in {"*", got} for want, got in zip(pattern, path, strict=True)
        ):
            return text
    return None


def set_aside(
    value: Any, path: tuple[str | int, ...] = ()
) -> tuple[Any, list[tuple[tuple[str | int, ...], str]]]:
    """The file without its harmless keys, and a note for each: ((place), text)."""
    if not isinstance(value, dict):
        return value, []
    kept, notes = {}, []
    for key, item in value.items():
        if text := advice_for(HARMLESS, (*path, key)):
            notes.append(((*path, key), text))
        else:
            kept[key], below = set_aside(item, (*path, key))
            notes += below
    return kept, notes
