"""The engine's images: had once, pinned by their id, named by the digests that the owner's rules know."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from typing import Any

import msgspec

from agent.protocol import Workload
from agent.runtimes.base import ImageMissing, RuntimeFault, storage_of
from agent.runtimes.docker.engine import Absent, Engine

_PINS = 256


class Images:
    def __init__(self, engine: Engine, limit_bytes: int) -> None:
        self._engine, self._limit_bytes = engine, limit_bytes
        self._pins: dict[bytes, dict[str, Any]] = {}
        """What each workload's image was when it was last prepared: that one is judged, and that one is run,
        though its tag may have moved meanwhile."""
        self._sha3: dict[str, str] = {}

    async def prepare(self, workload: Workload) -> None:
        try:
            found = await self._inspect(workload.image)
        except Absent:
            limit_bytes = max(self._limit_bytes, storage_of(workload, 0))
            found = await self._pull(workload.image, limit_bytes)
        if not is_named(workload.image, found):
            raise ImageMissing(f"the engine answers for {workload.image} with an image of another digest")
        while len(self._pins) >= _PINS:
            self._pins.pop(next(iter(self._pins)))
        self._pins[_key(workload)] = found

    async def pinned(self, workload: Workload, judged: frozenset[str] | None = None) -> str:
        """Id of the image as it was prepared. What was judged is never prepared again here, unjudged.

        Raises ImageMissing when the image is not the one whose digests were `judged`.
        """
        if judged is None:
            return str((await self._pin(workload))["Id"])
        id = str(self._pins.get(_key(workload), {}).get("Id"))
        if id not in judged:
            raise ImageMissing(f"image {workload.image} changed after the owner's rules were asked about it")
        return id

    async def digests(self, workload: Workload, *, sha3: bool) -> set[str]:
        """Every digest by which the prepared image is known; SHA3-256 costs a reading of the whole image."""
        found = await self._pin(workload)
        return digests_of(found) | ({await self._sha3_of(str(found["Id"]))} if sha3 else set())

    async def _pin(self, workload: Workload) -> dict[str, Any]:
        if _key(workload) not in self._pins:
            await self.prepare(workload)
        return self._pins[_key(workload)]

    async def _inspect(self, image: str) -> dict[str, Any]:
        return await self._engine.ask(self._engine.api.inspect_image, image)

    async def _pull(self, image: str, limit_bytes: int) -> dict[str, Any]:
        api, progress = self._engine.api, Progress(limit_bytes)
        try:
            await self._engine.follow(
                lambda: api.pull(with_tag(image), stream=True, decode=True), progress.note
            )
            found = await self._inspect(image)
            if found["Size"] > limit_bytes:  # packed, it was smaller
                await self._engine.ask(api.remove_image, image)
                raise RuntimeFault(too_large(found["Size"], limit_bytes))
        except RuntimeFault as fault:
            raise ImageMissing(f"image {image} can't be pulled: {fault}") from fault
        return found

    async def _sha3_of(self, image_id: str) -> str:
        if image_id not in self._sha3:
            chunks = await self._engine.ask(self._engine.api.get_image, image_id)
            self._sha3[image_id] = await self._engine.ask(sha3_of_config, chunks, image_id)
        return self._sha3[image_id]


def with_tag(image: str) -> str:
    """As the engine's own `pull` reads it: no tag means `latest`, not all of them."""
    if "@" in image:
        return image
    repository, _, tag = image.rpartition(":")
    return image if repository and "/" not in tag else f"{image}:latest"


def is_named(image: str, found: dict[str, Any]) -> bool:
    """Whether the image found bears the digest it was asked for by; any will do for one asked for by tag."""
    _, by_digest, digest = image.rpartition("@")
    wanted = digest if by_digest else image
    return not wanted.startswith("sha256:") or wanted in digests_of(found)


def digests_of(found: dict[str, Any]) -> set[str]:
    """SHA-256 of its configuration (the id) and of the manifests by which registries know it."""
    named = found.get("RepoDigests") or []
    return {str(found["Id"]), *(str(each).rpartition("@")[2] for each in named)}


def sha3_of_config(chunks: Iterable[bytes], image_id: str) -> str:
    """SHA3-256 of an image's configuration, which names every layer by its SHA-256; from `docker save`.

    Raises:
        RuntimeFault: the engine's archive does not hold the configuration of that id.
    """
    wanted = image_id.removeprefix("sha256:")
    with tarfile.open(fileobj=_Reader(chunks), mode="r|") as archive:
        for member in archive:
            # `<id>.json` of old engines, `blobs/sha256/<id>` of new ones.
            if wanted in member.name and (content := archive.extractfile(member)):
                config = content.read()
                if hashlib.sha256(config).hexdigest() == wanted:
                    return "sha3-256:" + hashlib.sha3_256(config).hexdigest()
    raise RuntimeFault(f"the engine's archive of {image_id} holds no configuration of that digest")


class Progress:
    """Of a pull: ended when the engine says that it failed, or when the layers will be too large in all."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._layers: dict[str, int] = {}

    def note(self, said: dict[str, Any]) -> None:
        """One line of the engine's. Raises RuntimeFault."""
        if "error" in said:
            raise RuntimeFault(str(said["error"])[:300])
        if said.get("status") == "Downloading":
            self._layers[str(said.get("id"))] = int((said.get("progressDetail") or {}).get("total") or 0)
        if (size := sum(self._layers.values())) > self._limit_bytes:
            raise RuntimeFault(too_large(size, self._limit_bytes))


def too_large(size: int, limit_bytes: int) -> str:
    return f"it is larger ({size >> 20} MiB) than what a replica may store here ({limit_bytes >> 20} MiB)"


def _key(workload: Workload) -> bytes:
    return msgspec.json.encode(workload)


class _Reader(io.RawIOBase):
    """An iterable of chunks as a file to be read once."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._left = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._chunks, b"")
        taken = self._left[: len(buffer)]
        self._left = self._left[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)
