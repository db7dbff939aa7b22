"""What people write into a policy, checked, in one way of writing. ValueErrors say what is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.rules.digests import read_digest
from agent.rules.permits import read_node
from agent.rules.signers import key_in, written

MOST = {"providers": 1024, "images": 256, "signers": 64}
"""As many as `protocol.Permit` carries to a Bee."""


def read_rules(name: str, texts: Iterable[str]) -> list[str]:
    """`name` is providers, images or signers; each entry once, in the order given."""
    found = list(dict.fromkeys(READERS[name](text) for text in texts if text.strip()))
    if len(found) > MOST[name]:
        raise ValueError(f"{len(found)} {name}: at most {MOST[name]} are kept")
    return found


def read_lines(name: str, text: str) -> list[str]:
    """The same of a page's text: one in each line, PEM blocks as they are."""
    return read_rules(name, _pieces(text))


def _pieces(text: str) -> Iterable[str]:
    block: list[str] = []
    for line in text.splitlines():
        block.append(line)
        if not block[0].lstrip().startswith("-----BEGIN") or line.lstrip().startswith("-----END"):
            yield "\n".join(block)
            block = []
    if block:
        yield "\n".join(block)


def _signer(text: str) -> str:
    return written(key_in(text))


READERS: dict[str, Callable[[str], str]] = {
    "providers": read_node,
    "images": read_digest,
    "signers": _signer,
}
