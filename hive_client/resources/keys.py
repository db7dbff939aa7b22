"""`hive.keys`: application keys, which may only do what is said of them. For owners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hive_client.nouns import Key
from hive_client.reading import plain, read
from hive_client.session import Session


class Keys:
    """`allowed` are the fields of `Key` that say what it may: providers, images, signers and the limits.

    A list left out or empty allows all, a limit left out or None is none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Key]:
        """Newest first."""
        return (read(Key, row) for row in self._session.pages("keys/"))

    def get(self, key_id: int) -> Key:
        return read(Key, self._session.get(f"keys/{key_id}/"))

    def make(self, name: str, *, valid_days: int | None = None, **allowed: Any) -> Key:
        """Its `key` is the secret, shown this once."""
        body = {"name": name, "valid_days": valid_days} | plain(allowed)
        return read(Key, self._session.post("keys/", **body))

    def change(self, key_id: int, **allowed: Any) -> Key:
        """What is not mentioned stays as it is."""
        return read(Key, self._session.patch(f"keys/{key_id}/", **plain(allowed)))

    def revoke(self, key_id: int) -> None:
        """It opens nothing from now on. What was applied with it goes on; nothing new is placed for it."""
        self._session.delete(f"keys/{key_id}/")
