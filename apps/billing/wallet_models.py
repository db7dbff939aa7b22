"""What proves that a wallet is a team's: a message of the Hive's, signed with the wallet's key."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.billing.chain_models import Wallet
from apps.nodes.models import ADDRESS
from apps.teams.models import Team


class WalletProof(models.Model):
    """A message that a wallet is asked to sign (EIP-4361), and its signature: taken once, then kept."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="wallet_proofs")
    address = models.CharField(max_length=42, validators=[ADDRESS])
    nonce = models.CharField(max_length=64, unique=True)
    message = models.TextField(help_text="Exactly what was signed.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(help_text="No signature is taken after it.")
    signature = models.CharField(max_length=132, blank=True)
    proven_at = models.DateTimeField(null=True, blank=True)
    wallet = models.ForeignKey(Wallet, null=True, blank=True, on_delete=models.PROTECT, related_name="proofs")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                name="wallet_proof_is_whole",
                condition=Q(signature="", proven_at=None, wallet=None)
                | (~Q(signature="") & Q(proven_at__isnull=False, wallet__isnull=False)),
            ),
            models.CheckConstraint(
                name="wallet_proof_in_time",
                condition=Q(proven_at=None) | Q(proven_at__lte=models.F("expires_at")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.address[:10]}… for {self.team}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id
