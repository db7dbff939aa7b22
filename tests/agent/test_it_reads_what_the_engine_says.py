"""The engine's words, read by plain functions."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import pytest

from agent import clock
from agent.runtimes.base import RuntimeFault
from agent.runtimes.docker.container import boot_s, how_it_ended
from agent.runtimes.docker.images import Progress, digests_of, is_named, sha3_of_config, with_tag
from agent.runtimes.docker.storage import next_look_s, volume_sizes

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
FOUND = {"Id": A, "RepoDigests": [f"registry.example/team/app@{B}"]}


@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("app", "app:latest"),
        ("app:1", "app:1"),
        ("registry.example:5000/team/app", "registry.example:5000/team/app:latest"),
        ("registry.example:5000/team/app:1", "registry.example:5000/team/app:1"),
        (f"app@{A}", f"app@{A}"),
    ],
)
def test_no_tag_means_the_latest(image: str, pulled: str) -> None:
    assert with_tag(image) == pulled


def test_an_image_is_known_by_its_id_and_by_what_registries_call_it() -> None:
    assert digests_of(FOUND) == {A, B}
    assert digests_of({"Id": A, "RepoDigests": None}) == {A}


@pytest.mark.parametrize(
    ("image", "expected"),
    [("app:1", True), (f"app@{B}", True), (A, True), (f"app@sha256:{'c' * 64}", False), (B, True)],
)
def test_what_was_asked_for_by_digest_bears_it(image: str, expected: bool) -> None:
    assert is_named(image, FOUND) is expected


@pytest.mark.parametrize("name", ["{}.json", "blobs/sha256/{}"])
def test_it_finds_the_configuration_in_an_archive_of_any_age(name: str) -> None:
    config = b'{"os": "linux"}'
    digest = hashlib.sha256(config).hexdigest()
    archive = _archive({"layer.tar": b"x" * 100_000, name.format(digest): config})
    chunks = [archive[at : at + 1000] for at in range(0, len(archive), 1000)]
    expected = "sha3-256:" + hashlib.sha3_256(config).hexdigest()
    assert sha3_of_config(chunks, f"sha256:{digest}") == expected


def test_it_believes_no_configuration_of_another_digest() -> None:
    archive = _archive({"a" * 64 + ".json": b"{}"})
    with pytest.raises(RuntimeFault, match="no configuration of that digest"):
        sha3_of_config([archive], A)


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_pull_ends_when_its_layers_will_be_too_large_in_all() -> None:
    progress = Progress(100 << 20)
    for _ in range(5):
        progress.note(_downloading("one", 60 << 20))
    with pytest.raises(RuntimeFault, match=r"larger \(120 MiB\) than .* \(100 MiB\)"):
        progress.note(_downloading("two", 60 << 20))


def test_a_pull_ends_with_the_words_of_the_engine() -> None:
    with pytest.raises(RuntimeFault, match="no basic auth"):
        Progress(1).note({"error": "no basic auth"})


def _downloading(layer: str, total: int) -> dict[str, Any]:
    return {"status": "Downloading", "id": layer, "progressDetail": {"current": 1, "total": total}}


def test_the_longer_a_look_takes_the_rarer_it_is() -> None:
    assert next_look_s(10.0, 10.01) == pytest.approx(12.01)
    assert next_look_s(10.0, 11.0) == 21.0
    assert next_look_s(10.0, 110.0) == 170.0


def test_a_volume_that_was_not_measured_counts_nothing() -> None:
    said = {"Volumes": [{"Name": "a", "UsageData": {"Size": 5}}, {"Name": "b", "UsageData": {"Size": -1}}]}
    assert volume_sizes(said) == {"a": 5, "b": 0}
    assert volume_sizes({"Volumes": None}) == {}


def test_it_tells_an_end_by_lack_of_memory_from_others() -> None:
    assert how_it_ended({"OOMKilled": True, "ExitCode": 137}).startswith("killed: out of memory")
    assert how_it_ended({"OOMKilled": False, "ExitCode": 137}) == "exited with status 137"


def test_it_reads_the_engines_instants() -> None:
    assert boot_s("2000-01-01T00:00:00.123456789Z") < clock.boot_s()  # type: ignore[operator]
    assert boot_s("never") is None
