"""One service that Envoy would refuse costs the others nothing: it is left out of the files, and named."""

import json
import logging
from pathlib import Path

import pytest

from apps.deployments import edge
from apps.deployments.envoy import Backend

SOUND = Backend(name="ab12", host="web.hello.bakery.localhost", health_path="/health")


@pytest.mark.parametrize(
    ("host", "health_path", "fault"),
    [
        ("evil.example", "/x\r\nHost: evil", "its path '/x"),
        ("evil.example", "/" + "x" * 1024, "its path"),
        ("evil.example\n", None, "is no host name"),
        ("*", None, "is no host name"),
        ("evil.example:80", None, "is no host name"),
        ("", None, "is no host name"),
        (SOUND.host, None, "is another service's"),
    ],
)
def test_it_leaves_out_what_envoy_would_refuse(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str, health_path: str | None, fault: str
) -> None:
    caplog.set_level(logging.ERROR, logger="hive.deployments")
    spoilt = Backend(name="cd34", host=host, health_path=health_path)

    edge.write([SOUND, spoilt], folder=tmp_path)

    [cluster] = json.loads((tmp_path / "cds.json").read_text())["resources"]
    assert cluster["name"] == "ab12"
    [routes] = json.loads((tmp_path / "rds.json").read_text())["resources"]
    assert [host["name"] for host in routes["virtual_hosts"]] == ["ab12", "nobody"]
    assert "service cd34 is left out at the edge" in caplog.text
    assert fault in caplog.text
