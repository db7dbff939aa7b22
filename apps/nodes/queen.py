"""The Queen's own key: it signs agreements, plans and invoices.

Its address is the treasury's wallet too, unless HIVE_TREASURY names another. The key lies in an Ethereum
keystore (Web3 Secret Storage, version 3), its password in a file beside it. Both are made on first use,
readable by the owner alone; of two processes that start at once, the first one's stay.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables
from eth_account import Account
from eth_account.signers.local import LocalAccount

# The password holds 256 random bits, so there is nothing to guess and no need for a slow derivation.
_SCRYPT_N = 1 << 12


@functools.cache
@sensitive_variables()
def queen_key() -> LocalAccount:
    """Raises ImproperlyConfigured when the keystore can't be read with the password that lies there."""
    keystore, password_file = settings.HIVE_KEYSTORE, settings.HIVE_KEYSTORE_PASSWORD_FILE
    if keystore.exists() and not password_file.exists():
        raise ImproperlyConfigured(f"{keystore} needs its password: put it into {password_file}")
    password = _kept(password_file, secrets.token_hex(32)).strip()
    if not keystore.exists():
        _kept(keystore, json.dumps(_new_keystore(password)))
    return _unlock(keystore, password)


def queen_address() -> str:
    """Lower case, as everywhere in the database and on the wire."""
    return str(queen_key().address).lower()


@sensitive_variables()
def _new_keystore(password: str) -> dict[str, object]:
    return dict(Account.encrypt(secrets.token_bytes(32), password, kdf="scrypt", iterations=_SCRYPT_N))


@sensitive_variables()
def _unlock(keystore: Path, password: str) -> LocalAccount:
    try:
        return Account.from_key(Account.decrypt(keystore.read_text(), password))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(
            f"{keystore}: not a keystore that {settings.HIVE_KEYSTORE_PASSWORD_FILE} opens ({error})"
        ) from None


@sensitive_variables()
def _kept(path: Path, text: str) -> str:
    """What the file holds: `text` if it was not there yet. Complete from the moment it has its name."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            _write_private(draft, text)
            # A hard link, unlike a rename, fails when somebody else was first.
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text()


@sensitive_variables()
def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
