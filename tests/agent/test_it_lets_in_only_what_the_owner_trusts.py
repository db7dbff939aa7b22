"""The owner's rules on images, signers, teams and hours: what is not allowed is refused, with the reason."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.config import Config, Rent, Rules
from agent.errors import AgentError
from agent.protocol import ImageSignature, Workload
from agent.rules.digests import named_by, of_folder, read_digest
from agent.rules.judge import Judge, judge_for

NOON = datetime(2026, 11, 2, 12)
SHA256, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SHA3 = "sha3-256:" + "3" * 64


def judge(home: Path = Path("/nowhere"), hours: tuple[str, ...] = (), **rules: Any) -> Judge:
    rent = Rent(threads=Decimal(1), mem_gib=Decimal(1), hours=hours)
    return judge_for(Config(url="http://q", name="b", advertise="h", rent=rent, rules=Rules(**rules)), home)


def objection(judge: Judge, **changes: Any) -> str:
    asked: dict[str, Any] = {"runtime": "docker", "image": "app:1", "team": "bees", "at": NOON}
    return judge.objection(**asked | changes)


def workload(*signatures: ImageSignature) -> Workload:
    return Workload(
        image="app:1",
        runtime="docker",
        cpu_threads=Decimal(1),
        mem_gib=Decimal(1),
        signatures=list(signatures),
    )


def document(digest: str = SHA256, type: str = "cosign container image signature") -> bytes:
    """What cosign signs for an image."""
    identity = {"docker-reference": "registry.example/app"}
    image = {"docker-manifest-digest": digest}
    return json.dumps(
        {"critical": {"identity": identity, "image": image, "type": type}, "optional": None}
    ).encode()


def signature(payload: bytes, proof: bytes) -> ImageSignature:
    return ImageSignature(
        payload=base64.b64encode(payload).decode(), signature=base64.b64encode(proof).decode()
    )


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def der(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# -- before the image is there ----------------------------------------------------------------------------


def test_it_allows_everything_by_default() -> None:
    assert objection(judge()) == ""
    assert not judge().looks_into_images


@pytest.mark.parametrize(
    ("rules", "changes", "words"),
    [
        ({"runtimes": ("docker",)}, {"runtime": "process"}, "don't allow runtime process"),
        ({"images": ("hive/*", "app:2")}, {}, "don't allow image app:1"),
        ({"teams": ("ants", "wasps")}, {}, "the owner's rules don't allow team bees"),
        ({"teams": ("ants",)}, {"team": ""}, "don't allow team (not named)"),
        ({"hours": ("22:00-08:00",)}, {}, "rents this machine out only 22:00-08:00 (its local time)"),
        ({"digests": (SHA256,)}, {"image": f"app@{OTHER}"}, f"don't list the digest of image app@{OTHER}"),
    ],
)
def test_it_refuses_what_a_rule_does_not_allow(rules: Any, changes: Any, words: str) -> None:
    assert words in objection(judge(**rules), **changes)


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        ({"runtimes": ("docker",)}, {}),
        ({"images": ("hive/*", "app:*")}, {}),
        ({"teams": ("ants", "bees")}, {}),
        ({"hours": ("22:00-08:00",)}, {"at": datetime(2026, 11, 2, 23)}),
        ({"digests": (SHA256,)}, {"image": f"app@{SHA256}"}),
        ({"digests": (SHA3,)}, {"image": f"app@{SHA256}"}),
        ({"digests": (SHA256,)}, {"image": "app:1"}),
    ],
)
def test_it_lets_pass_what_the_rules_allow_or_can_only_be_told_from_the_image(
    rules: Any, changes: Any
) -> None:
    assert objection(judge(**rules), **changes) == ""


# -- digests ----------------------------------------------------------------------------------------------


def test_it_asks_the_image_itself_for_its_digest() -> None:
    rule = judge(digests=(SHA256.upper().replace("SHA256", "sha256"), SHA3))
    assert rule.objection_to_image(workload(), {SHA256, OTHER}) == ""
    assert rule.objection_to_image(workload(), {OTHER, SHA3}) == ""
    assert rule.objection_to_image(workload(), {OTHER}) == (
        f"the owner's rules don't list the digest of image app:1 ({OTHER})"
    )
    assert "app:1 has no digest" in rule.objection_to_image(workload(), set())


def test_it_reads_a_whole_image_only_for_a_digest_that_needs_it() -> None:
    assert not judge(digests=(SHA256,)).wants_sha3(workload())
    assert judge(digests=(SHA256, SHA3)).wants_sha3(workload())


@pytest.mark.parametrize(
    "text", ["", "sha256:", "1" * 64, "sha512:" + "1" * 128, SHA256 + "1", "sha256:" + "g" * 64]
)
def test_it_says_what_a_digest_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match='expected "sha256:" or "sha3-256:" and 64 hexadecimal digits'):
        read_digest(text)


def test_it_reads_the_digest_that_a_reference_is_pinned_to() -> None:
    assert named_by(f"registry.example:5000/app:1@{SHA256}") == SHA256
    assert named_by("registry.example:5000/app:1") == ""


def test_it_digests_a_folder_as_anybody_can(tmp_path: Path) -> None:
    (tmp_path / "b/deep").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b-c").write_bytes(b"\0" * 3_000_000)
    (tmp_path / "b/deep/ü").write_text("d")
    recipe = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c-64"
    theirs = subprocess.check_output(["sh", "-c", recipe], cwd=tmp_path, text=True).strip()
    before = of_folder(tmp_path)
    assert f"sha256:{theirs}" in before
    assert len({each.partition(":")[0] for each in before}) == 2
    (tmp_path / "link").symlink_to("/etc/passwd")
    linked = of_folder(tmp_path)
    assert linked.isdisjoint(before)
    (tmp_path / "link").unlink()
    (tmp_path / "a.txt").write_text("A")
    assert of_folder(tmp_path).isdisjoint(before | linked)


def test_it_has_no_digest_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        of_folder(tmp_path / "nothing")


# -- signers ----------------------------------------------------------------------------------------------

ED25519, P256 = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())


def by_ed25519(payload: bytes) -> ImageSignature:
    return signature(payload, ED25519.sign(payload))


def by_p256(payload: bytes) -> ImageSignature:
    return signature(payload, P256.sign(payload, ECDSA(hashes.SHA256())))


@pytest.mark.parametrize("sign", [by_ed25519, by_p256])
def test_it_takes_an_image_that_somebody_it_trusts_has_signed(sign: Any) -> None:
    rule = judge(signers=(pem(ED25519), pem(P256)))
    assert rule.objection_to_image(workload(sign(document())), {SHA256}) == ""
    assert rule.objection_to_image(workload(sign(document(SHA3))), {SHA256, SHA3}) == ""
    assert rule.wants_sha3(workload(sign(document(SHA3))))
    assert not rule.wants_sha3(workload(sign(document())))
    assert not judge().wants_sha3(workload(sign(document(SHA3))))


def test_it_wants_a_signature() -> None:
    assert judge(signers=(pem(P256),)).objection_to_image(workload(), {SHA256}) == (
        "the owner's rules want image app:1 signed, and no signature came with it"
    )


@pytest.mark.parametrize(
    "given",
    [
        by_ed25519(document()),  # not a signer of this bee
        by_p256(document(OTHER)),  # another image
        by_p256(document(type="a letter")),
        by_p256(b"no document"),
        by_p256(b'{"critical": {}}'),
        signature(document(), by_p256(document(OTHER)).signature.encode()),
        signature(document(), b""),
        ImageSignature(payload="?", signature="?"),
        ImageSignature(payload=by_p256(document()).payload, signature=by_ed25519(document()).signature),
    ],
)
def test_it_sees_through_signatures_that_prove_nothing(given: ImageSignature) -> None:
    refused = judge(signers=(pem(P256),)).objection_to_image(workload(given), {SHA256})
    assert refused == "image app:1 is not signed by anybody whom the owner's rules name"


def test_it_wants_digest_and_signer_where_both_are_ruled() -> None:
    rule = judge(signers=(pem(P256),), digests=(SHA256,))
    signed = workload(by_p256(document()), by_p256(document(OTHER)))
    assert rule.objection_to_image(signed, {SHA256}) == ""
    assert "don't list the digest" in rule.objection_to_image(signed, {OTHER})
    assert "no signature came" in rule.objection_to_image(workload(), {SHA256})


def test_it_understands_what_openssl_signs(tmp_path: Path) -> None:
    """Another's hand: key and signature as cosign makes them, by OpenSSL."""

    def openssl(*words: str) -> bytes:
        return subprocess.check_output(["openssl", *words], cwd=tmp_path, stderr=subprocess.DEVNULL)

    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "cosign.key")
    openssl("ec", "-in", "cosign.key", "-pubout", "-out", "cosign.pub")
    (tmp_path / "payload.json").write_bytes(document())
    proof = openssl("dgst", "-sha256", "-sign", "cosign.key", "payload.json")
    rule = judge(tmp_path, signers=("cosign.pub",))
    assert rule.objection_to_image(workload(signature(document(), proof)), {SHA256}) == ""
    assert rule.objection_to_image(workload(signature(document(), proof)), {OTHER}) != ""


@pytest.mark.parametrize("key", [ED25519, P256])
def test_it_reads_keys_however_they_are_written(key: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_text(pem(key))
    (tmp_path / "b.pub").write_text(base64.b64encode(der(key)).decode() + "\n")
    texts = [pem(key), base64.b64encode(der(key)).decode(), "a.pub", str(tmp_path / "b.pub")]
    if key is ED25519:
        texts.append(base64.b64encode(key.public_key().public_bytes_raw()).decode())
    given = by_ed25519(document()) if key is ED25519 else by_p256(document())
    for text in texts:
        assert judge(tmp_path, signers=(text,)).objection_to_image(workload(given), {SHA256}) == "", text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("missing.pub", "can't be read as any"),
        ("", "can't be read as any"),
        ("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "is none"),
        (base64.b64encode(b"x" * 40).decode(), "is none"),
        (pem(generate_private_key(SECP384R1())), "key of another kind"),
        (pem(generate_rsa_key(65537, 2048)), "key of another kind"),
    ],
)
def test_it_says_which_key_it_can_not_use(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(AgentError) as caught:
        judge(tmp_path, signers=(pem(P256), text))
    assert "rules.signers[1]: expected a public key, Ed25519 or ECDSA P-256 (cosign's)" in str(caught.value)
    assert words in str(caught.value)
