"""What an application's key allows, the Bee keeps to as the Queen does: nodes, images, signers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as st

from agent.config import Config, Rent, Rules
from agent.negotiate import objection_to_assignment
from agent.protocol import Assignment, ImageSignature, Permit, Price, Terms, Workload
from agent.rules import permits
from agent.rules.judge import Judge, judge_for
from agent.rules.signers import key_in, read_key, written
from tests.agent.test_it_lets_in_only_what_the_owner_trusts import document, pem, signature

NOON = datetime(2026, 11, 2, 12)
ME, OTHER_NODE = "0x" + "1" * 40, "0x" + "2" * 40
GOOD, BAD = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SHA3 = "sha3-256:" + "3" * 64
SOMEBODY, NOBODY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def signed(digest: str, key: Ed25519PrivateKey = SOMEBODY) -> ImageSignature:
    payload = document(digest)
    return signature(payload, key.sign(payload))


def workload(image: str = "app:1", *signatures: ImageSignature, **allowed: list[str]) -> Workload:
    return Workload(
        image=image,
        runtime="docker",
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        signatures=list(signatures),
        permit=Permit(**allowed),
    )


def judge(**rules: Any) -> Judge:
    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1))
    return judge_for(Config(url="http://q", name="b", advertise="h", rent=rent, rules=Rules(**rules)), Path())


def objection(given: Workload, node_id: str = ME) -> str:
    """As the Bee's link asks it at each wanted set."""
    terms = Terms(
        agreement_id="a",
        requestor="0x",
        provider=node_id,
        offer_id="o",
        runtime="docker",
        image=given.image,
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        price=Price(),
        valid_from_ms=0,
        expires_at_ms=1,
    )
    assignment = Assignment(
        assignment_id="r", agreement_id="a", replica="web-1", generation=1, lease_s=60, workload=given
    )
    return objection_to_assignment(assignment, {"a": terms}, ["docker"], judge(), NOON)


# -- before the image is there ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (workload(providers=[OTHER_NODE]), f"the application key does not allow node {ME}"),
        (workload(f"app@{BAD}", images=[GOOD]), f"does not allow image app@{BAD}"),
        (workload(signers=[pem(SOMEBODY)]), "image app:1 is not signed by anybody whom"),
        (workload("app:1", signed(GOOD, NOBODY), signers=[pem(SOMEBODY)]), "is not signed by anybody"),
        (workload(f"app@{BAD}", signed(GOOD), signers=[pem(SOMEBODY)]), "signers have signed is not image"),
        (workload(signers=["no key"]), "is not signed by anybody"),
    ],
)
def test_it_refuses_what_the_key_does_not_allow(given: Workload, words: str) -> None:
    assert words in objection(given)


@pytest.mark.parametrize(
    "given",
    [
        workload(),
        workload(providers=[OTHER_NODE, ME]),
        workload(f"app@{GOOD}", images=[GOOD]),
        workload(f"app@{GOOD}", images=[SHA3]),  # told from the image alone
        workload(images=[GOOD]),
        workload(f"app@{GOOD}", signed(GOOD), signers=[pem(NOBODY), pem(SOMEBODY)]),
        workload(f"app@{GOOD}", signed(SHA3), signers=[pem(SOMEBODY)]),
    ],
)
def test_it_lets_pass_what_the_key_allows_or_only_the_image_can_tell(given: Workload) -> None:
    assert objection(given) == ""


# -- of the image itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "digests", "words"),
    [
        (workload(images=[GOOD]), {GOOD}, ""),
        (workload(images=[GOOD]), {BAD, SHA3}, f"does not allow image app:1 ({BAD})"),
        (workload(images=[GOOD]), set(), "does not allow image app:1 (it has no digest)"),
        (workload(f"app@{GOOD}", images=[SHA3]), {GOOD, SHA3}, ""),
        (workload("app:1", signed(GOOD), signers=[pem(SOMEBODY)]), {GOOD}, ""),
        (workload("app:1", signed(GOOD), signers=[pem(SOMEBODY)]), {BAD}, "is not signed by anybody"),
        (workload("app:1", signed(SHA3), signers=[pem(SOMEBODY)]), {GOOD, SHA3}, ""),
        (workload("app:1", signed(BAD), images=[GOOD], signers=[pem(SOMEBODY)]), {GOOD}, "is not signed"),
    ],
)
def test_it_judges_the_image_that_is_there(given: Workload, digests: set[str], words: str) -> None:
    told = judge().objection_to_image(given, digests)
    assert words in told
    assert bool(told) == bool(words)


def test_the_owners_own_rules_hold_beside_it() -> None:
    given = workload(images=[GOOD])
    assert judge(digests=(GOOD,)).objection_to_image(given, {GOOD}) == ""
    assert "the owner's rules don't list" in judge(digests=(BAD,)).objection_to_image(given, {GOOD})
    assert "the application key" in judge(digests=(BAD,)).objection_to_image(given, {BAD})


@pytest.mark.parametrize(
    ("given", "looks", "sha3"),
    [
        (workload(), False, False),
        (workload(providers=[ME]), False, False),
        (workload(images=[GOOD]), True, False),
        (workload(images=[GOOD, SHA3]), True, True),
        (workload("app:1", signed(GOOD), signers=[pem(SOMEBODY)]), True, False),
        (workload("app:1", signed(SHA3), signers=[pem(SOMEBODY)]), True, True),
        (workload("app:1", signed(SHA3)), False, False),
    ],
)
def test_it_reads_an_image_only_as_far_as_it_must(given: Workload, looks: bool, sha3: bool) -> None:
    assert judge().looks_into(given) == looks
    assert judge().wants_sha3(given) == sha3


DIGESTS = [GOOD, BAD, SHA3, "sha3-256:" + "4" * 64]
KEYS = [Ed25519PrivateKey.generate() for _ in range(2)]
SIGNATURES = {(digest, number): signed(digest, key) for digest in DIGESTS for number, key in enumerate(KEYS)}
some = partial(st.lists, max_size=3, unique=True)


@settings(deadline=None)
@given_that(
    pinned=st.sampled_from(["", *DIGESTS]),
    others=some(st.sampled_from(DIGESTS)),
    images=some(st.sampled_from(DIGESTS)),
    signers=some(st.sampled_from([pem(key) for key in KEYS])),
    signatures=some(st.sampled_from(sorted(SIGNATURES))),
)
def test_what_the_bee_would_start_is_never_refused_by_its_name(
    pinned: str, others: list[str], images: list[str], signers: list[str], signatures: list[tuple[str, int]]
) -> None:
    """The Queen, who has the name alone, may let pass what the Bee refuses; never the other way round."""
    name = f"app@{pinned}" if pinned else "app:1"
    given = workload(name, *(SIGNATURES[each] for each in signatures), images=images, signers=signers)
    # An image has one digest of each algorithm, and the one by which it is named is its own.
    digests = {each.partition(":")[0]: each for each in [*others, pinned] if each}
    if not permits.objection_to_image(given, set(digests.values())):
        assert permits.objection(given, node_id=ME) == ""


# -- how keys are written ---------------------------------------------------------------------------------


def test_a_key_of_a_permit_is_never_read_from_a_file(tmp_path: Path) -> None:
    """What the Queen sends must not make the Bee open a file of its owner's."""
    file = tmp_path / "key.pub"
    file.write_text(pem(SOMEBODY))
    assert written(read_key("key.pub", tmp_path)) == written(key_in(pem(SOMEBODY)))
    with pytest.raises(ValueError, match="PEM or base64"):
        key_in(str(file))


@pytest.mark.parametrize("write", [pem, lambda key: written(key.public_key())])
def test_a_key_is_written_in_one_way(write: Callable[[Ed25519PrivateKey], str]) -> None:
    assert written(key_in(write(SOMEBODY))) == written(SOMEBODY.public_key())


@pytest.mark.parametrize("text", ["", "0x12", ME + "0", "x" * 42])
def test_it_says_what_a_node_id_is(text: str) -> None:
    with pytest.raises(ValueError, match="expected a node id"):
        permits.read_node(text)
