"""The owner's rules, ready to be asked: at each proposal, agreement, assignment, and of the real image."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import Config, Rules
from agent.errors import AgentError
from agent.protocol import ImageSignature, Workload
from agent.rules import permits
from agent.rules.digests import named_by, read_digest
from agent.rules.hours import Span, is_open

if TYPE_CHECKING:
    from agent.rules.signers import Key

SHA3 = b"sha3-256:"


@dataclass(frozen=True, slots=True)
class Judge:
    rules: Rules
    hours: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    digests: frozenset[str] = frozenset()
    signers: tuple[Key, ...] = ()

    def is_open(self, at: datetime) -> bool:
        return is_open(self.spans, at)

    def objection(self, *, runtime: str, image: str, team: str, at: datetime) -> str:
        """Why it may not run here now, as far as that can be told without the image; empty when it may.

        `at` is the owner's local time.
        """
        if why_not := self.objection_to_hour(at):
            return why_not
        if runtime not in self.rules.runtimes:
            return f"the owner's rules don't allow runtime {runtime}"
        if not self.rules.allows_image(image):
            return f"the owner's rules don't allow image {image}"
        if self.rules.teams and team not in self.rules.teams:
            return f"the owner's rules don't allow team {team or '(not named)'}"
        pinned = named_by(image)
        if self.digests and pinned.startswith("sha256:") and self._lists_only("sha256:"):
            return self._not_listed(image, frozenset({pinned}))
        return ""

    def objection_to_hour(self, at: datetime) -> str:
        if self.is_open(at):
            return ""
        return f"the owner rents this machine out only {', '.join(self.hours)} (its local time)"

    @property
    def looks_into_images(self) -> bool:
        """Whether the owner's rules ask anything of images."""
        return bool(self.digests or self.signers)

    def looks_into(self, workload: Workload) -> bool:
        """Whether `objection_to_image` has anything to ask of its image."""
        return self.looks_into_images or permits.looks_into_images(workload)

    def wants_sha3(self, workload: Workload) -> bool:
        """Whether an image's SHA3-256 matters: an engine may have to read the whole image for it."""
        named = any(SHA3 in _payload(each) for each in workload.signatures) if self.signers else False
        return named or not self._lists_only("sha256:") or permits.wants_sha3(workload)

    def objection_to_image(self, workload: Workload, digests: Collection[str]) -> str:
        """Why this very image may not run; `digests` are of what is there, not of what was asked for.

        By the owner's rules, and by what the application's key allows.
        """
        return self._objection_of_rules(workload, digests) or permits.objection_to_image(workload, digests)

    def _objection_of_rules(self, workload: Workload, digests: Collection[str]) -> str:
        if not self.looks_into_images:
            return ""
        if not digests:
            return f"the owner's rules name images by digest or signer, and {workload.image} has no digest"
        if why_not := self._not_listed(workload.image, digests):
            return why_not
        return self._not_signed(workload, digests)

    def _not_listed(self, image: str, digests: Collection[str]) -> str:
        if not self.digests or self.digests.intersection(digests):
            return ""
        shown = min(digests, key=lambda each: (not each.startswith("sha256:"), each))
        return f"the owner's rules don't list the digest of image {image} ({shown})"

    def _not_signed(self, workload: Workload, digests: Collection[str]) -> str:
        if not self.signers:
            return ""
        from agent.rules.signers import signed_by

        if signed_by(self.signers, workload.signatures, digests):
            return ""
        if not workload.signatures:
            return f"the owner's rules want image {workload.image} signed, and no signature came with it"
        return f"image {workload.image} is not signed by anybody whom the owner's rules name"

    def _lists_only(self, algorithm: str) -> bool:
        return all(each.startswith(algorithm) for each in self.digests)


def _payload(signature: ImageSignature) -> bytes:
    """What was signed; nothing where that can't be read."""
    try:
        return base64.b64decode(signature.payload)
    except ValueError:
        return b""


def judge_for(config: Config, home: Path) -> Judge:
    """Raises AgentError that names the key of bee.toml which is wrong."""
    return Judge(
        rules=config.rules,
        hours=config.rent.hours,
        spans=config.rent.spans,
        digests=frozenset(read_digest(each) for each in config.rules.digests),
        signers=tuple(_key(number, text, home) for number, text in enumerate(config.rules.signers)),
    )


def _key(number: int, text: str, home: Path) -> Key:
    # Imported where a signer is named only: cryptography costs some 10 MB.
    from agent.rules.signers import read_key

    try:
        return read_key(text, home)
    except ValueError as error:
        raise AgentError(f"{home / 'bee.toml'}: rules.signers[{number}]: {error}") from None
