"""Whose wallet is whose, and what proves it: a message of the Hive's, signed with the wallet's key."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.nodes.models import ADDRESS
from apps.teams.models import Team


class Wallet(models.Model):
    """An address whose deposits belong to a team's budget."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="wallets")
    budget = models.ForeignKey("billing.Budget", on_delete=models.PROTECT, related_name="wallets")
    address = models.CharField(max_length=42, unique=True, validators=[ADDRESS])
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.address[:10]}… of {self.team}"

    @property
    def audit_team_id(self) -> int:
        return self.team_id

    @property
    def is_proven(self) -> bool:
        """Has its key signed that it is the team's? Asks for `proofs`: prefetch them for many."""
        return any(proof.signature for proof in self.proofs.all())


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
