"""Who this Bee is: a secp256k1 key made on first use, kept encrypted in its home, mode 0600.

The password lies in a file beside the keystore, or comes from HIVE_BEE_PASSWORD and is then written nowhere.
A password made here has 256 bits, so a slow key derivation would protect nothing and only delay each start;
for one that a person chose, the iterations follow OWASP's figure for PBKDF2-HMAC-SHA256.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from agent import keystore
from agent.errors import AgentError
from agent.keys import Key, Signer, make_key

PASSWORD_VARIABLE = "HIVE_BEE_PASSWORD"
_ITERATIONS_OF_RANDOM = 10_000
_ITERATIONS_OF_CHOSEN = 600_000


def load_or_make_key(home: Path) -> Key:
    """The key in `home/keystore.json`; made there when there is none.

    Raises:
        AgentError: the keystore can't be read, or the password is not its.
    """
    path = home / "keystore.json"
    if not path.exists():
        _make(path, _password(home, make=True))
    try:
        return keystore.decrypt(path.read_text(), _password(home, make=False))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise AgentError(f"{path}: can't be opened ({error}); is {PASSWORD_VARIABLE} right?") from error


def node_id(key: Signer) -> str:
    """The key's Ethereum address in lower case: Golem's NodeId, and where the Bee is paid."""
    return str(key.address).lower()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; what is there already stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _make(path: Path, password: str) -> None:
    iterations = _ITERATIONS_OF_CHOSEN if PASSWORD_VARIABLE in os.environ else _ITERATIONS_OF_RANDOM
    write_private(path, keystore.encrypt(make_key(), password, iterations=iterations))


def _password(home: Path, *, make: bool) -> str:
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    path = home / "password"
    if make:
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text().strip()
