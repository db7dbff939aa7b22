"""What an application's key allows to run, and where: asked by the Queen, and again by the Bee.

An empty list of a `Permit` allows all. Everything here is pure and reads no file.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from agent.protocol import ImageSignature, Permit, Workload
from agent.rules.digests import named_by

if TYPE_CHECKING:
    from agent.rules.signers import Key

SHA3 = "sha3-256:"
THE_KEY = "the application key"
"""Stands in every objection: by it the Queen tells what a key forbade from what a node can't do."""
_NODE = re.compile(r"0x[0-9a-f]{40}")


def read_node(text: str) -> str:
    """A node id, in lower case. Raises ValueError with what was expected."""
    node_id = text.strip().lower()
    if not _NODE.fullmatch(node_id):
        raise ValueError(f"expected a node id, 0x and 40 hexadecimal digits, got {text!r}")
    return node_id


def objection(workload: Workload, *, node_id: str) -> str:
    """Why it may not run on this node, as far as that can be told without the image; empty when it may."""
    permit = workload.permit
    if permit is None:
        return ""
    why_not = objection_to_node(permit, node_id)
    return why_not or objection_to_name(permit, workload.image, workload.signatures)


def objection_to_node(permit: Permit, node_id: str) -> str:
    """Why nothing of this key may run on this node; empty when it may."""
    if not permit.providers or node_id in permit.providers:
        return ""
    return f"{THE_KEY} does not allow node {node_id}"


def objection_to_name(permit: Permit, image: str, signatures: Collection[ImageSignature] = ()) -> str:
    """Why the image of this name may not run, as far as that can be told without it; empty when it may.

    A name that is pinned by a digest which the lists could not hold otherwise is judged here; all others are
    judged by the Bee, which has the image.
    """
    pinned = named_by(image)
    if permit.images and pinned and pinned not in permit.images and _only_such(permit.images, pinned):
        return f"{THE_KEY} does not allow image {image}"
    if not permit.signers:
        return ""
    vouched = _vouched(permit, signatures)
    if not vouched:
        return f"image {image} is not signed by anybody whom {THE_KEY} names"
    if pinned and pinned not in vouched and _only_such(vouched, pinned):
        return f"what {THE_KEY}'s signers have signed is not image {image}"
    return ""


def objection_to_image(workload: Workload, digests: Collection[str]) -> str:
    """Why this very image may not run; `digests` are of what is there, not of what was asked for."""
    permit, shown = workload.permit, f"{workload.image} ({_shown(digests)})"
    if permit is None:
        return ""
    if permit.images and not set(permit.images).intersection(digests):
        return f"{THE_KEY} does not allow image {shown}"
    if permit.signers and not _vouched(permit, workload.signatures).intersection(digests):
        return f"image {shown} is not signed by anybody whom {THE_KEY} names"
    return ""


def looks_into_images(workload: Workload) -> bool:
    """Whether `objection_to_image` has anything to ask."""
    return workload.permit is not None and bool(workload.permit.images or workload.permit.signers)


def wants_sha3(workload: Workload) -> bool:
    """Whether an image's SHA3-256 matters: an engine may have to read the whole image for it."""
    permit = workload.permit
    if permit is None:
        return False
    listed = any(digest.startswith(SHA3) for digest in permit.images)
    signed = any(SHA3.encode() in _payload(each) for each in workload.signatures)
    return listed or (bool(permit.signers) and signed)


def _vouched(permit: Permit, signatures: Iterable[ImageSignature]) -> frozenset[str]:
    # Imported where a signer is named only: cryptography costs a Bee some 10 MB.
    from agent.rules.signers import vouched_by

    return vouched_by(_keys(permit), signatures)


def _keys(permit: Permit) -> list[Key]:
    """A key that can't be read vouches for nothing."""
    from agent.rules.signers import key_in

    keys = []
    for text in permit.signers:
        try:
            keys.append(key_in(text))
        except ValueError:
            continue
    return keys


def _only_such(digests: Iterable[str], like: str) -> bool:
    """Whether all are of this one's algorithm: what is not among them is none of them then."""
    algorithm = like.partition(":")[0]
    return all(digest.partition(":")[0] == algorithm for digest in digests)


def _shown(digests: Collection[str]) -> str:
    return min(digests, key=lambda each: (not each.startswith("sha256:"), each), default="it has no digest")


def _payload(signature: ImageSignature) -> bytes:
    try:
        return base64.b64decode(signature.payload)
    except ValueError:
        return b""
