"""The Hive's own wallets: the one that is paid from now, and those before it, which are watched for good."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.billing.treasury.signers import treasury_address


class TreasuryWallet(models.Model):
    """An address that was the treasury once: whoever has its old payment request still pays there."""

    chain_id = models.BigIntegerField()
    address = models.CharField(max_length=42)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-since",)
        constraints = (
            models.UniqueConstraint(fields=("chain_id", "address"), name="treasury_wallet_once_per_chain"),
        )

    def __str__(self) -> str:
        return self.address


def treasuries() -> list[str]:
    """All of them on this chain, lower case, the current one first."""
    current = treasury_address()
    known = TreasuryWallet.objects.filter(chain_id=settings.HIVE_CHAIN_ID).exclude(address=current)
    return [current, *known.values_list("address", flat=True)]


def remember_treasury() -> None:
    """From now on it is watched, whatever becomes the treasury later."""
    TreasuryWallet.objects.get_or_create(chain_id=settings.HIVE_CHAIN_ID, address=treasury_address())
