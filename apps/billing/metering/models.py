"""Usage as it is stored: the Bee's signed report beside what was billed of it, and why not more."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from apps.market.models import Agreement
from apps.money import GlmField


class UsageState(models.TextChoices):
    RECEIVED = "received", "Received"
    """Stored and acknowledged; waits to be rated."""
    POSTED = "posted", "Posted"
    """Rated, and paid from the hold."""


class UsageRecord(models.Model):
    """One metering interval of one agreement. The reported columns are the Bee's, the billed ones ours."""

    agreement = models.ForeignKey(
        Agreement,
        on_delete=models.PROTECT,
        related_name="usage",
        db_index=False,  # the index of (agreement, sequence) begins with it
    )
    sequence = models.PositiveIntegerField()
    previous_hash = models.CharField(max_length=66)
    hash = models.CharField(max_length=66)
    signature = models.CharField(max_length=132)
    started_at_ms = models.BigIntegerField()
    ended_at_ms = models.BigIntegerField()
    running_ms = models.BigIntegerField(help_text="Reported by the Bee.")
    cpu_ms = models.BigIntegerField(help_text="Reported by the Bee.")
    egress_bytes = models.BigIntegerField(help_text="Reported by the Bee.")
    final = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=UsageState.choices, default=UsageState.RECEIVED)
    received_at = models.DateTimeField(auto_now_add=True)
    billed_running_ms = models.BigIntegerField(
        null=True, help_text="The least of what Bee, Queen and lease say."
    )
    billed_cpu_ms = models.BigIntegerField(null=True)
    billed_egress_bytes = models.BigIntegerField(null=True, help_text="The least of what Bee and edge say.")
    cost_glm = GlmField(null=True)
    invoice = models.ForeignKey(
        "billing.Invoice",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="usage",
        db_index=False,  # most rows are on none when they are written: see the indexes below
    )
    reduced_because = models.CharField(
        max_length=200, blank=True, help_text="Why less is billed than reported."
    )

    class Meta:
        ordering = ("agreement", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("agreement", "sequence"), name="usage_once_per_sequence"),
            models.CheckConstraint(
                name="usage_not_negative",
                condition=Q(
                    running_ms__gte=0, cpu_ms__gte=0, egress_bytes__gte=0, ended_at_ms__gte=F("started_at_ms")
                ),
            ),
            models.CheckConstraint(
                name="usage_billed_at_most_reported",
                condition=Q(billed_running_ms=None)
                | Q(
                    billed_running_ms__lte=F("running_ms"),
                    billed_cpu_ms__lte=F("cpu_ms"),
                    cost_glm__gte=0,
                ),
            ),
        )
        indexes = (
            models.Index(
                fields=("agreement", "sequence"), condition=Q(state="received"), name="usage_to_rate"
            ),
            models.Index(
                fields=("agreement",), condition=Q(state="posted", invoice=None), name="usage_to_invoice"
            ),
            models.Index(fields=("invoice",), condition=Q(invoice__isnull=False), name="usage_of_an_invoice"),
        )

    def __str__(self) -> str:
        return f"usage {self.sequence} of {str(self.agreement_id)[:8]}"

    @property
    def posting_key(self) -> str:
        """The key of the transfer that pays for it; there is none for a report over nothing."""
        return posting_key(self.agreement_id, self.sequence)


def posting_key(agreement_id: uuid.UUID, sequence: int) -> str:
    """Of the transfer that pays for this report."""
    return f"usage:{agreement_id}:{sequence}"


class MeterReading(models.Model):
    """What the rated reports of an agreement came to, so that the next one is rated without reading them all.

    Kept by rating, under the lock of the agreement's hold; the reports themselves are the proof of it.
    """

    agreement = models.OneToOneField(
        Agreement, primary_key=True, on_delete=models.PROTECT, related_name="meter"
    )
    sequence = models.PositiveIntegerField(help_text="Of the newest report that is rated.")
    ended_at_ms = models.BigIntegerField(
        help_text="The latest end of a rated report, as far as it had come when the report came in."
    )
    has_run = models.BooleanField(help_text="Something was billed: the start price is paid.")
    egress_bytes = models.DecimalField(max_digits=38, decimal_places=0, help_text="Reported by the Bee.")
    egress_billed_bytes = models.DecimalField(max_digits=38, decimal_places=0)

    def __str__(self) -> str:
        return f"meter of {str(self.agreement_id)[:8]} at {self.sequence}"


class MeteringFaultKind(models.TextChoices):
    SIGNATURE = "signature", "Bad signature"
    """Not signed by the node of the agreement."""
    FORK = "fork", "Fork"
    """Another report, or another debit note, for a sequence that is stored already."""
    GAP = "gap", "Gap"
    """A sequence arrived before the one it follows."""
    CHAIN = "chain", "Broken chain"
    """Its previous hash is not that of the report before."""
    OVERCLAIM = "overclaim", "Claims too much"
    """More seconds than passed, or than the lease or the Queen's own watch allow."""
    RANGE = "range", "Out of range"
    """Numbers that no report can have: negative, too large, or an end before the start."""
    LATE = "late", "Too late"
    """Came after the final report, or after the agreement was closed."""
    UNFUNDED = "unfunded", "Not funded"
    """Used more than was held for it; what the hold had was posted."""


class MeteringFault(models.Model):
    """A disagreement about usage: shown to everybody concerned, never smoothed over."""

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="metering_faults")
    kind = models.CharField(max_length=12, choices=MeteringFaultKind.choices)
    sequence = models.PositiveIntegerField()
    detail = models.CharField(max_length=300)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint(
                fields=("agreement", "kind", "sequence", "detail"), name="fault_shown_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.sequence}"


class EdgeTraffic(models.Model):
    """What the edge carried under one agreement in one minute: its side of the three-way metering."""

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="edge_traffic")
    minute = models.DateTimeField()
    requests = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="Answered 5xx.")
    egress_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("agreement", "minute"), name="traffic_once_per_minute"),
        )

    def __str__(self) -> str:
        return f"{self.agreement} at {self.minute:%H:%M}"
