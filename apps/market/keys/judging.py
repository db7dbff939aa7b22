"""Holding what is asked against a policy: plain functions, each answers why not, or an empty text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.protocol import ImageSignature
from agent.rules import permits
from agent.rules.digests import named_by
from apps.market.keys.policy import KeyPolicy

PULLED = "docker"
"""The runtime whose images come from registries, where a tag may move: native images are their owner's, and
their Bee reads the digest off the files."""


def fault_of_image(
    policy: KeyPolicy,
    *,
    image: str,
    runtimes: Sequence[str],
    signatures: Collection[ImageSignature] = (),
) -> str:
    """Why this image may not run under the key, as far as its name tells, and what to do."""
    permit = policy.permit
    if permit.images and PULLED in runtimes and not named_by(image):
        return (
            f"{policy} allows images by digest: write {_untagged(image)}@sha256:... with one of its digests"
        )
    if why_not := permits.objection_to_name(permit, image, signatures):
        return f"{policy}: {why_not}: {_remedy(policy)}"
    return ""


def fault_of_node(policy: KeyPolicy, node_id: str) -> str:
    why_not = permits.objection_to_node(policy.permit, node_id)
    return f"{policy}: {why_not}" if why_not else ""


def allowed_nodes_of(policy: KeyPolicy | None) -> list[str] | None:
    """For `Need.allowed_nodes`: None where all are allowed."""
    return policy.providers or None if policy else None


def _untagged(image: str) -> str:
    """`registry:5000/app:1` -> `registry:5000/app`."""
    path, colon, tag = image.rpartition(":")
    return path if colon and "/" not in tag else image


def _remedy(policy: KeyPolicy) -> str:
    if policy.images and policy.signers:
        return "deploy one of its images, signed, or ask an owner to widen the key"
    if policy.signers:
        return "sign the image (x-hive.signatures), or ask an owner to add the signer"
    return "deploy one of its images, or ask an owner to add this digest"
