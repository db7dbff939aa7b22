"""`hive.wallets`: which wallets are the team's, proving one, and asking it for GLM."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from hive_client.nouns import PaymentRequest, Wallet, WalletMessage
from hive_client.reading import read
from hive_client.session import Session


class Wallets:
    """Deposits from the team's wallets are credited to its budget. Proving one is for owners."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Wallet]:
        """Oldest first."""
        return (read(Wallet, row) for row in self._session.pages("wallets/"))

    def message(self, address: str) -> WalletMessage:
        """What the wallet at `address` is to sign, word for word, to be the team's."""
        return read(WalletMessage, self._session.post("wallets/messages/", address=address))

    def prove(self, nonce: str, signature: str) -> Wallet:
        """Hand in the signature of the message with this nonce. Each message is good once."""
        return read(Wallet, self._session.post("wallets/", nonce=nonce, signature=signature))

    def request(self, amount_glm: Decimal) -> PaymentRequest:
        """What to pay in with: a link that opens a wallet, and the same as a QR code."""
        asked = self._session.get("wallets/payment-request/", amount_glm=f"{amount_glm:f}")
        return read(PaymentRequest, asked)
