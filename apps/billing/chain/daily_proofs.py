"""The proof of each day: what a wallet of the Hive has on the chain, and what the ledger says of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q

from apps.money import GlmField, plain


class DailyProof(models.Model):
    """One wallet on one day (UTC), as of one block; never changed, never deleted (a trigger sees to it)."""

    day = models.DateField()
    chain_id = models.BigIntegerField()
    wallet = models.CharField(max_length=42)
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=66)
    chain_balance = GlmField()
    ledger_balance = GlmField()
    coming = GlmField(help_text="On the chain, and not deep enough to be in the ledger.")
    leaving = GlmField(help_text="Gone from the chain, and not yet final in the ledger.")
    moved = GlmField(help_text="Came from the Hive's other wallets, less what went to them.")
    unexplained = GlmField()
    unmatched = models.PositiveIntegerField(help_text="Transfers that chain and ledger do not both have.")
    is_flagged = models.BooleanField(help_text="Somebody has to look.")
    lines: models.JSONField[Any, Any] = models.JSONField(
        default=list, help_text="Each difference: what it is, how much, which events."
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-day", "wallet")
        constraints = (
            models.UniqueConstraint(fields=("day", "chain_id", "wallet"), name="daily_proof_once"),
            models.CheckConstraint(
                name="daily_proof_adds_up",
                condition=Q(
                    unexplained=F("chain_balance")
                    - F("ledger_balance")
                    - F("coming")
                    + F("leaving")
                    - F("moved")
                ),
            ),
            models.CheckConstraint(
                name="daily_proof_flagged_when_it_differs",
                condition=Q(is_flagged=False, unexplained=0, unmatched=0)
                | (Q(is_flagged=True) & (~Q(unexplained=0) | Q(unmatched__gt=0))),
            ),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.wallet[:10]}… {plain(self.chain_balance)} GLM"

    @property
    def verdict(self) -> str:
        """In a word, as pages colour it."""
        differs = self.chain_balance != self.ledger_balance
        return "flagged" if self.is_flagged else "explained" if differs else "proven"

    @property
    def under_way(self) -> Decimal:
        """What explains a difference, in GLM: chain less ledger."""
        return self.coming - self.leaving + self.moved

    def as_json(self, *, with_lines: bool) -> dict[str, Any]:
        """Amounts as text, to the last digit; `with_lines` for operators alone."""
        amounts = ("chain_balance", "ledger_balance", "coming", "leaving", "moved", "unexplained")
        return {
            "day": self.day.isoformat(),
            "chain_id": self.chain_id,
            "wallet": self.wallet,
            "block": {"number": self.block_number, "hash": self.block_hash},
            **{f"{name}_glm": plain(getattr(self, name)) for name in amounts},
            "unmatched": self.unmatched,
            "verdict": self.verdict,
            **({"lines": self.lines} if with_lines else {}),
            "at": self.at.isoformat(),
        }
