"""Encrypted key files: Ethereum's Web3 Secret Storage, version 3, as every wallet reads and writes it.

Source: https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from typing import Any

from agent.keys import Key, keccak, key_of

_MOST_MEMORY_BYTES = 1 << 30
"""What scrypt may take for a file from elsewhere."""


def encrypt(key: Key, password: str, *, iterations: int) -> str:
    """PBKDF2-HMAC-SHA256, AES-128-CTR."""
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations, 32)
    ciphertext = _aes_ctr(derived[:16], iv, key.key)
    crypto = {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": iv.hex()},
        "ciphertext": ciphertext.hex(),
        "kdf": "pbkdf2",
        "kdfparams": {"c": iterations, "dklen": 32, "prf": "hmac-sha256", "salt": salt.hex()},
        "mac": keccak(derived[16:32] + ciphertext).hex(),
    }
    address = key.address.removeprefix("0x")
    return json.dumps({"address": address, "crypto": crypto, "id": str(uuid.uuid4()), "version": 3})


def decrypt(text: str, password: str) -> Key:
    """Raises ValueError or KeyError: it is no such file, or the password is another."""
    crypto = json.loads(text)["crypto"]
    if crypto["cipher"] != "aes-128-ctr":
        raise ValueError(f"cipher {crypto['cipher']} is not known")
    derived = _derive(crypto["kdf"], crypto["kdfparams"], password.encode())
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    mac = keccak(derived[16:32] + ciphertext)
    if not hmac.compare_digest(mac, bytes.fromhex(crypto["mac"].removeprefix("0x"))):
        raise ValueError("the password is wrong")
    return key_of(_aes_ctr(derived[:16], bytes.fromhex(crypto["cipherparams"]["iv"]), ciphertext))


def _derive(kdf: str, given: dict[str, Any], password: bytes) -> bytes:
    salt = bytes.fromhex(given["salt"])
    if kdf == "pbkdf2" and given["prf"] == "hmac-sha256":
        return hashlib.pbkdf2_hmac("sha256", password, salt, given["c"], given["dklen"])
    if kdf == "scrypt":
        costs = {name: given[name] for name in ("n", "r", "p")}
        return hashlib.scrypt(password, salt=salt, dklen=given["dklen"], maxmem=_MOST_MEMORY_BYTES, **costs)
    raise ValueError(f"key derivation {kdf} is not known")


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    # Imported for the moment of opening only.
    from Crypto.Cipher import AES

    cipher = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=int.from_bytes(iv, "big"))
    return bytes(cipher.encrypt(data))
