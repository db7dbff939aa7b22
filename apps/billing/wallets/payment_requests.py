"""Asking a wallet for GLM: an EIP-681 link, and the same as a QR code.

The link says which token on which chain goes where, so nobody types an address or counts zeros.
Source of its form: https://eips.ethereum.org/EIPS/eip-681
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import segno
from django.conf import settings
from eth_utils.address import to_checksum_address

from apps.billing.ledger.posting import exact
from apps.billing.treasury.signers import treasury_address
from apps.money import to_wei

QUIET_ZONE = 4
"""Empty modules around the code, without which scanners don't find it (ISO/IEC 18004)."""


class NoChain(ValueError):
    """This Hive is connected to no token: there is nothing to pay with."""


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """Addresses are in EIP-55 form, as wallets show them."""

    amount_glm: Decimal
    chain_id: int
    token: str
    recipient: str

    @property
    def link(self) -> str:
        amount_wei = to_wei(self.amount_glm)
        call = f"transfer?address={self.recipient}&uint256={amount_wei}"
        return f"ethereum:{self.token}@{self.chain_id}/{call}"

    @property
    def qr_svg(self) -> str:
        """Dark on light with its quiet zone, whatever the page's colours are; without a size of its own."""
        code = segno.make(self.link, error="m", micro=False)
        return str(
            code.svg_inline(
                border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
            )
        )

    @property
    def qr_rows(self) -> list[str]:
        """The code without its quiet zone, a text of 0 and 1 per row, for who draws it otherwise."""
        code = segno.make(self.link, error="m", micro=False)
        return ["".join("1" if module else "0" for module in row) for row in code.matrix]


def request_payment(amount_glm: Decimal) -> PaymentRequest:
    """Raises ValueError for an amount that the ledger would not take, NoChain where there is no token."""
    if not settings.HIVE_GLM_TOKEN:
        raise NoChain("this Hive is connected to no GLM token (HIVE_GLM_TOKEN): nothing can be paid in")
    return PaymentRequest(
        amount_glm=exact(amount_glm),
        chain_id=settings.HIVE_CHAIN_ID,
        token=to_checksum_address(settings.HIVE_GLM_TOKEN),
        recipient=to_checksum_address(treasury_address()),
    )
