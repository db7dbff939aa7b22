"""`hive.disputes`: what your Bees asked for beyond what was rated, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

from hive_client.nouns import Dispute
from hive_client.reading import read
from hive_client.session import Session


class Disputes:
    """Of your own Bees; an operator sees all. The owner of the Bee alone may object or accept."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Dispute]:
        """Newest first, without their messages."""
        return (read(Dispute, row) for row in self._session.pages("disputes/"))

    def get(self, dispute_id: str) -> Dispute:
        return read(Dispute, self._session.get(self._path(dispute_id)))

    def say(self, dispute_id: str, text: str) -> Dispute:
        """Object, or say more: an operator has seven days to answer."""
        return read(Dispute, self._session.post(f"{self._path(dispute_id)}say/", text=text))

    def accept(self, dispute_id: str, *, gives_up_glm: Decimal) -> Dispute:
        """Take the Hive's figure. `gives_up_glm` is the difference as you saw it; HiveError where it grew."""
        said = self._session.post(f"{self._path(dispute_id)}accept/", gives_up_glm=f"{gives_up_glm:f}")
        return read(Dispute, said)

    def _path(self, dispute_id: str) -> str:
        return f"disputes/{quote(dispute_id, safe='')}/"
