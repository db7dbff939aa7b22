"""`hive.withdrawals`: unused GLM back to a wallet that the team has proven."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

from hive_client.nouns import Withdrawal
from hive_client.reading import read
from hive_client.session import Session


class Withdrawals:
    """Asked for by a member, confirmed by an owner within a day; the Hive bears the gas."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Withdrawal]:
        """Newest first."""
        return (read(Withdrawal, row) for row in self._session.pages("withdrawals/"))

    def get(self, withdrawal_id: str) -> Withdrawal:
        return read(Withdrawal, self._session.get(self._path(withdrawal_id)))

    def request(self, amount_glm: Decimal, *, recipient: str) -> Withdrawal:
        """No money moves before an owner confirms it."""
        made = self._session.post("withdrawals/", amount_glm=f"{amount_glm:f}", recipient=recipient)
        return read(Withdrawal, made)

    def confirm(self, withdrawal_id: str) -> Withdrawal:
        """Have it paid. For owners."""
        return read(Withdrawal, self._session.post(f"{self._path(withdrawal_id)}confirm/"))

    def cancel(self, withdrawal_id: str) -> Withdrawal:
        """Before it is confirmed."""
        return read(Withdrawal, self._session.post(f"{self._path(withdrawal_id)}cancel/"))

    def _path(self, withdrawal_id: str) -> str:
        return f"withdrawals/{quote(withdrawal_id, safe='')}/"
