"""Digests of images: "sha256:<hex>" or "sha3-256:<hex>", as bee.toml lists and runtimes tell them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

ALGORITHMS = {"sha256": hashlib.sha256, "sha3-256": hashlib.sha3_256}
_DIGEST = re.compile(r"(sha256|sha3-256):([0-9a-f]{64})")


def read_digest(text: str) -> str:
    """In lower case. Raises ValueError with what was expected."""
    digest = text.strip().lower()
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f'expected "sha256:" or "sha3-256:" and 64 hexadecimal digits, got {text!r}')
    return digest


def named_by(image: str) -> str:
    """The digest that a reference such as `app@sha256:...` is pinned to; empty when it names none."""
    digest = image.rpartition("@")[2]
    return digest if _DIGEST.fullmatch(digest) else ""


def of_folder(folder: Path) -> frozenset[str]:
    """Of an image that is a folder, by both algorithms. Raises OSError when a file can't be read.

    The digest is that of a list of the folder's files with their digests, in the form and order of
    `find . -type f | LC_ALL=C sort | xargs sha256sum`, so that anybody can check it. A link is not followed:
    it is listed with the digest of where it points.
    """
    files = sorted(_files(folder), key=lambda path: f"./{path.relative_to(folder)}".encode())
    listings = dict.fromkeys(ALGORITHMS, "")
    for path in files:
        for name, hexadecimal in _of_file(path).items():
            listings[name] += f"{hexadecimal}  ./{path.relative_to(folder)}\n"
    return frozenset(
        f"{name}:{make(listings[name].encode()).hexdigest()}" for name, make in ALGORITHMS.items()
    )


def _files(folder: Path) -> Iterator[Path]:
    """Files and links. A folder that can't be read raises OSError: else it would be missing in the digest."""
    for place, folders, names in os.walk(folder, onerror=_raise):
        for path in (Path(place, name) for name in (*folders, *names)):
            if path.is_symlink() or path.is_file():
                yield path


def _raise(error: OSError) -> None:
    raise error


def _of_file(path: Path) -> dict[str, str]:
    sums = {name: make() for name, make in ALGORITHMS.items()}
    if path.is_symlink():
        for each in sums.values():
            each.update(str(path.readlink()).encode())
    else:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                for each in sums.values():
                    each.update(block)
    return {name: each.hexdigest() for name, each in sums.items()}
