"""An operator's word on what is large: a payment, a credit, a grant. PostgreSQL keeps who may give it.

On a payment it counts once. On what an invoice is credited, or a dispute is granted, it is for a sum in all.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.billing.treasury.models import Payment
from apps.money import GlmField


class Verdict(models.TextChoices):
    APPROVED = "approved", "Approved"
    """It may go out, as far as this operator is concerned."""
    REFUSED = "refused", "Refused"
    """It does not: one operator's word is enough. On what is given away: their words until then are void."""


class Approval(models.Model):
    """Never changed, never deleted."""

    payment = models.ForeignKey(
        Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    invoice = models.ForeignKey(
        "billing.Invoice", null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    dispute = models.ForeignKey(
        "billing.Dispute", null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    upto_glm = GlmField(
        "up to",
        null=True,
        blank=True,
        help_text="May be credited of the invoice, or granted in the dispute, in all.",
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("payment", "at")
        constraints = (
            models.UniqueConstraint(fields=("payment", "user"), name="approval_once_per_person"),
            models.CheckConstraint(
                name="approval_is_of_one_thing",
                condition=Q(payment__isnull=False, invoice=None, dispute=None, upto_glm=None)
                | Q(payment=None, invoice__isnull=False, dispute=None, upto_glm__gt=0)
                | Q(payment=None, invoice=None, dispute__isnull=False, upto_glm__gt=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.user}"

    @property
    def subject(self) -> models.Model | None:
        """What it is on."""
        return self.payment or self.invoice or self.dispute
