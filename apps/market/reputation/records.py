"""What is known of a node's conduct, and what it comes to: facts that stay, and one row computed of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.nodes.models import Node


class FactKind(models.TextChoices):
    KEPT = "kept", "Agreement kept"
    """Work was done and billed on it, and it ended in order: by us, or at its time."""
    SERVED = "served", "Agreement kept for a day"
    """It was in force for the whole of a day, by the Queen's clock."""
    LOST = "lost", "Agreement lost"
    """The node fell silent, its Bee gave the work back, or it held on to it past its lease."""
    STARTED = "started", "Start"
    """What was assigned came up healthy."""
    START_FAILED = "start_failed", "Failed start"
    """What was assigned did not come up; it counts once the same has come up on another owner's node."""
    UNANSWERED = "unanswered", "No answer"
    """A question or an agreement was left without an answer, though the node was heard meanwhile."""
    BAD_SIGNATURE = "bad_signature", "Bad signature"
    """It signed an agreement with another key, or other terms."""
    REFUSED = "refused", "Refusal"
    """Its owner's rules would not have it, and said so: told, but it counts for nothing."""
    DISPUTED = "disputed", "Dispute"
    """A debit note asked for more than was rated, or for work that we know nothing of."""
    MISREPORTED = "misreported", "False report"
    """Usage reported twice with different figures, or with a signature that is not the node's."""
    UPTIME = "uptime", "A day's uptime"
    """How much of a day the node was heard; days on which it never came count for nothing."""
    SLOWED = "slowed", "Slower than before"
    """Its benchmark is a fifth below the median of its earlier ones."""


class ReputationFact(models.Model):
    """One thing that happened, once: written where it happens, never changed, never deleted."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="reputation_facts")
    kind = models.CharField(max_length=16, choices=FactKind.choices)
    at = models.DateTimeField(help_text="When it happened.")
    weight = models.FloatField(help_text="How much it counts when it is new: 1 is one agreement.")
    merit = models.FloatField(help_text="The share of the weight that speaks for the node, 0 to 1.")
    reference = models.CharField(max_length=160, unique=True, help_text="The same fact counts once.")
    subject = models.CharField(
        max_length=64,
        blank=True,
        help_text="What was started: the same on another node shows whose fault it was.",
    )
    detail = models.CharField(max_length=300, blank=True)
    agreement = models.ForeignKey(
        "market.Agreement", null=True, blank=True, on_delete=models.PROTECT, related_name="reputation_facts"
    )
    noted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at",)
        constraints = (
            models.CheckConstraint(
                name="reputation_fact_weighs_within_bounds",
                condition=Q(weight__gte=0, weight__lte=1, merit__gte=0, merit__lte=1),
            ),
        )
        indexes = (
            models.Index(fields=("node", "at"), name="reputation_fact_by_time"),
            models.Index(fields=("node", "noted_at"), name="reputation_fact_by_news"),
            models.Index(
                fields=("subject", "kind"), condition=~Q(subject=""), name="reputation_fact_by_subject"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.node_id[:10]}…"


class NodeReputation(models.Model):
    """What a node's facts come to now. A node that has no row yet is a newcomer: see `weighing.NEWCOMER`."""

    node = models.OneToOneField(Node, primary_key=True, on_delete=models.CASCADE, related_name="reputation")
    score = models.FloatField(
        help_text="0 to 1: the share of what was promised that one may expect to be kept."
    )
    is_newcomer = models.BooleanField(default=True, help_text="Too little is known of it to say more.")
    evidence = models.FloatField(
        default=0, help_text="The weight of its facts by now; older ones count less."
    )
    good = models.FloatField(default=0, help_text="Of the evidence, what speaks for the node.")
    kept = models.PositiveIntegerField(default=0, help_text="Agreements of the last 30 days.")
    lost = models.PositiveIntegerField(default=0, help_text="Agreements of the last 30 days.")
    uptime = models.FloatField(null=True, help_text="Of the days of the last 30 on which it came, 0 to 1.")
    sentences = models.JSONField(default=list, help_text="What the score comes from, the weightiest first.")
    computed_at = models.DateTimeField()

    class Meta:
        ordering = ("-score",)
        constraints = (
            models.CheckConstraint(name="reputation_is_a_share", condition=Q(score__gte=0, score__lte=1)),
        )

    def __str__(self) -> str:
        return f"{self.score:.2f} of {self.node_id[:10]}…"
