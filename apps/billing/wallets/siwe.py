"""Sign-In with Ethereum: the text that a wallet shows and signs, and whose key signed a text.

The form is https://eips.ethereum.org/EIPS/eip-4361, the signature https://eips.ethereum.org/EIPS/eip-191
(`personal_sign`). There is no parser here: the Hive trusts no text but the one it wrote and kept itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature, ValidationError
from eth_utils.address import is_checksum_address, to_checksum_address

from agent.keys import HALF_OF_CURVE

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
SIGNATURE = re.compile(r"(?:0x)?([0-9a-fA-F]{130})")
RECOVERY_IDS = {0: 0, 1: 1, 27: 0, 28: 1}
"""The last byte as wallets write it; hardware ones say 0 and 1."""


class NotAnAddress(ValueError):
    """What was given is no address; the text says what is wrong with it."""


class NotASignature(ValueError):
    """No key can have made it; the text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """`address` is in lower case; instants are aware and written to the second."""

    domain: str
    address: str
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expires_at: datetime

    def text(self) -> str:
        """Exactly what is to be signed: no line break at its end."""
        return "\n".join(
            [
                f"{self.domain} wants you to sign in with your Ethereum account:",
                to_checksum_address(self.address),
                "",
                self.statement,
                "",
                f"URI: {self.uri}",
                "Version: 1",
                f"Chain ID: {self.chain_id}",
                f"Nonce: {self.nonce}",
                f"Issued At: {_rfc3339(self.issued_at)}",
                f"Expiration Time: {_rfc3339(self.expires_at)}",
            ]
        )


def address_of(text: str) -> str:
    """In lower case. Raises NotAnAddress, also where capitals and small letters tell of a mistyped one."""
    if not ADDRESS.fullmatch(text):
        raise NotAnAddress("an address is 0x and 40 hexadecimal digits")
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and not is_checksum_address(text):
        raise NotAnAddress(f"{text} is mistyped: its capital letters are not those of this address (EIP-55)")
    return text.lower()


def signer_of(text: str, signature: str) -> str:
    """The address, in lower case, whose key signed exactly this text. Raises NotASignature."""
    found = SIGNATURE.fullmatch(signature.strip())
    if found is None:
        raise NotASignature(
            "a signature is 0x and 130 hexadecimal digits. Contract wallets sign otherwise (EIP-1271): "
            "the Hive takes wallets with a key alone"
        )
    raw = bytes.fromhex(found[1])
    if raw[64] not in RECOVERY_IDS or int.from_bytes(raw[32:64]) > HALF_OF_CURVE:
        raise NotASignature("this is not a signature as wallets make them")
    try:
        signed = raw[:64] + bytes([27 + RECOVERY_IDS[raw[64]]])
        return str(Account.recover_message(encode_defunct(text=text), signature=signed)).lower()
    except (BadSignature, ValidationError, ValueError):
        raise NotASignature("no key can have made this signature") from None


def _rfc3339(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
