"""What a replica is: what to run, how to see that it is healthy, and what the key behind it allows."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from agent.protocol.base import Count, Part, Seconds, Word

LONGEST_GRACE_S = 600
"""Nobody gets more time to end, or what ignores SIGTERM would outlive its lease and the owner's hours."""


class HealthCheck(Part):
    """How the Bee decides that a replica is healthy. `kind` is http (GET `path`), tcp or command."""

    kind: str = "tcp"
    path: str = "/"
    command: list[Word] = []
    interval_s: Annotated[float, Meta(ge=0.01, le=24 * 3600)] = 2.0
    timeout_s: Annotated[float, Meta(ge=0.01, le=24 * 3600)] = 2.0
    retries: Count = 3
    start_period_s: Seconds = 0.0


class ImageSignature(Part):
    """Somebody vouches for an image: `signature` over the bytes of `payload`, both in base64.

    `payload` is cosign's "simple signing" document, which names the image's digest; the signature is ECDSA
    P-256 with SHA-256 (cosign's) or Ed25519. Source: sigstore/cosign, specs/SIGNATURE_SPEC.md.
    """

    payload: Annotated[str, Meta(max_length=8192)]
    signature: Annotated[str, Meta(max_length=1024)]


class Permit(Part):
    """What the application's key allows: the Bee keeps to it as the Queen does. An empty list allows all."""

    providers: Annotated[list[str], Meta(max_length=1024)] = []
    """Node ids."""
    images: Annotated[list[str], Meta(max_length=256)] = []
    """Digests: `sha256:...` or `sha3-256:...`."""
    signers: Annotated[list[str], Meta(max_length=64)] = []
    """Public keys, one of which must have signed the image: as `rules.signers` of bee.toml writes them."""


class Workload(Part):
    """What to run: the part of a Compose service that a Bee needs. `port` is inside the container."""

    image: Word
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    command: list[Word] | None = None
    entrypoint: list[Word] | None = None
    environment: dict[Word, Word] = {}
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    health: HealthCheck | None = None
    stop_grace_s: Annotated[float, Meta(ge=0, le=LONGEST_GRACE_S)] = 10.0
    read_only: bool = False
    """The root file system can't be written to; /tmp can."""
    signatures: Annotated[list[ImageSignature], Meta(max_length=16)] = []
    storage_gib: Decimal = Decimal(0)
    """The most that it may write; nought: what the owner lets any replica write."""
    gpus: Annotated[int, Meta(ge=0, le=1024)] = 0
    permit: Permit | None = None
