"""An operator's word on a large payment. Who may give it, and that it counts once, is kept by PostgreSQL."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.billing.treasury.models import Payment


class Verdict(models.TextChoices):
    APPROVED = "approved", "Approved"
    """It may go out, as far as this operator is concerned."""
    REFUSED = "refused", "Refused"
    """It does not: one operator's word is enough."""


class Approval(models.Model):
    """Never changed, never deleted."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="approvals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("payment", "at")
        constraints = (models.UniqueConstraint(fields=("payment", "user"), name="approval_once_per_person"),)

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.user}"
