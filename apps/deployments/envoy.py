"""Envoy's discovery resources for the services of the Hive: plain functions from routes to JSON.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/api. Two switches of a cluster make changes take
effect at once: without `update_merge_window: 0s` Envoy gathers them for a second, and without
`ignore_health_on_host_removal` it keeps a removed host for as long as its own health check passes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.deployments.compose.values import HOST, PATH

logger = logging.getLogger("hive.deployments")

TYPES = "type.googleapis.com/envoy"
ROUTE_CONFIGURATION = "hive"
REPEATABLE = "connect-failure,refused-stream,reset,gateway-error"
"""For methods that may be sent twice. An answer 500 is the application's own and is passed on."""
UNSENT = "connect-failure,refused-stream"
"""For every other method: the replica never saw the request."""

MANY = {
    "max_connections": 10_000,
    "max_pending_requests": 10_000,
    "max_requests": 10_000,
    "max_retries": 1_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A service at the edge: its host name, how to check its replicas, and where they are."""

    name: str
    """Of its cluster; unique and fit for a file name."""
    host: str
    health_path: str | None = None
    """GET this to see whether a replica is well; None to try its port."""
    endpoints: tuple[tuple[str, int], ...] = ()


def expressible(backends: Iterable[Backend]) -> list[Backend]:
    """Without those that Envoy would refuse: it takes a file as a whole or not at all.

    The manifest lets none of them pass; this is for the day when one gets here on another way.
    """
    sound: dict[str, Backend] = {}
    for one in backends:
        if fault := _fault(one, sound):
            logger.error("service %s is left out at the edge: %s", one.name, fault)
        else:
            sound[one.host] = one
    return list(sound.values())


def _fault(backend: Backend, others: Collection[str]) -> str:
    if not HOST.fullmatch(backend.host):
        return f"its host {backend.host[:80]!r} is no host name; set another under x-hive.host"
    if backend.host in others:
        return f"its host {backend.host} is another service's; set another under x-hive.host"
    if backend.health_path and not PATH.fullmatch(backend.health_path):
        return f"its path {backend.health_path[:80]!r} is none; set another under x-hive.health.http"
    return ""


def resources(items: list[dict[str, Any]], *, version: str) -> dict[str, Any]:
    return {"version_info": version, "resources": items}


def cluster(backend: Backend, *, folder: Path) -> dict[str, Any]:
    """Its replicas are in `eds/<name>.json` below `folder`."""
    return {
        "@type": f"{TYPES}.config.cluster.v3.Cluster",
        "name": backend.name,
        "type": "EDS",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "eds_cluster_config": {
            "eds_config": {
                "resource_api_version": "V3",
                "path_config_source": {
                    "path": str(folder / "eds" / f"{backend.name}.json"),
                    "watched_directory": {"path": str(folder / "eds")},
                },
            }
        },
        "common_lb_config": {
            "update_merge_window": "0s",
            # Never send to a replica that fails its check, not even when most do.
            "healthy_panic_threshold": {"value": 0},
        },
        "ignore_health_on_host_removal": True,
        # Envoy's own limit is three retries at once: the fourth visitor of a dying replica would see a 503.
        "circuit_breakers": {"thresholds": [MANY]},
        "health_checks": [_health_check(backend)],
    }


def _health_check(backend: Backend) -> dict[str, Any]:
    how: dict[str, Any] = {"tcp_health_check": {}}
    if backend.health_path:
        how = {"http_health_check": {"path": backend.health_path, "host": backend.host}}
    return {
        "interval": "1s",
        "no_traffic_interval": "1s",
        "timeout": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        **how,
    }


def endpoints(backend: Backend) -> dict[str, Any]:
    found = [
        {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
        for host, port in backend.endpoints
    ]
    return {
        "@type": f"{TYPES}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": backend.name,
        "endpoints": [{"lb_endpoints": found}],
    }


def routes(backends: Collection[Backend]) -> dict[str, Any]:
    """Each host name to its cluster; any other is told that nobody is here."""
    return {
        "@type": f"{TYPES}.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIGURATION,
        "virtual_hosts": [*map(_virtual_host, backends), _nobody()],
    }


def _virtual_host(backend: Backend) -> dict[str, Any]:
    return {
        "name": backend.name,
        "domains": [backend.host],
        "routes": _to_replicas(backend) if backend.endpoints else _to_nothing(backend),
    }


def _to_replicas(backend: Backend) -> list[dict[str, Any]]:
    safe_method = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|OPTIONS"}}}
    return [
        {"match": {"prefix": "/", "headers": [safe_method]}, "route": _action(backend, retry_on=REPEATABLE)},
        {"match": {"prefix": "/"}, "route": _action(backend, retry_on=UNSENT)},
    ]


def _action(backend: Backend, *, retry_on: str) -> dict[str, Any]:
    another = {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {"@type": f"{TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
    }
    return {
        "cluster": backend.name,
        "timeout": "0s",  # streams and downloads last as long as they last
        "retry_policy": {
            "retry_on": retry_on,
            "num_retries": 3,
            "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.200s"},
            "retry_host_predicate": [another],
            "host_selection_retry_max_attempts": 5,
        },
    }


def _to_nothing(backend: Backend) -> list[dict[str, Any]]:
    return [_answer(503, f"{backend.host} has no healthy replica at the moment\n")]


def _nobody() -> dict[str, Any]:
    route = _answer(404, "no service answers at this host name\n")
    return {"name": "nobody", "domains": ["*"], "routes": [route]}


def _answer(status: int, text: str) -> dict[str, Any]:
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": status, "body": {"inline_string": text}},
    }
