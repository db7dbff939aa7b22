"""What is measured of the nodes: the series of their heartbeats."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Span(models.IntegerChoices):
    """How much time one row tells of, in seconds."""

    HEARTBEAT = 0, "One heartbeat"
    FIVE_MINUTES = 300, "Five minutes"
    HOUR = 3600, "One hour"


class Statistic(models.Model):
    """How busy a node was: at one heartbeat, or on average over the span that begins at `at`.

    Percentages are of the whole machine; the instant is that of the Queen's clock.
    """

    pk = models.CompositePrimaryKey("node_id", "span_s", "at")
    # Not checked by the database: it would lock the node's row once more for each heartbeat.
    node = models.ForeignKey(
        "nodes.Node", on_delete=models.CASCADE, related_name="statistics", db_constraint=False, db_index=False
    )
    span_s = models.SmallIntegerField(choices=Span.choices)
    at = models.DateTimeField()
    samples = models.IntegerField(default=1, help_text="Of how many heartbeats it is the average.")
    cpu_percent = models.FloatField(default=0)
    mem_used_bytes = models.BigIntegerField(default=0)
    disk_used_bytes = models.BigIntegerField(default=0)
    sent_bytes_s = models.FloatField(default=0)
    received_bytes_s = models.FloatField(default=0)
    running = models.FloatField(default=0)
    temperature_c = models.FloatField(null=True, blank=True)

    FIGURES: ClassVar = (
        "cpu_percent",
        "mem_used_bytes",
        "disk_used_bytes",
        "sent_bytes_s",
        "received_bytes_s",
        "running",
        "temperature_c",
    )
    """The columns that are measured, named as in `agent.protocol.Stats`."""

    class Meta:
        ordering = ("node", "span_s", "at")
        indexes = (models.Index(fields=("span_s", "at"), name="statistic_by_age"),)

    def __str__(self) -> str:
        return f"{self.node_id} at {self.at:%Y-%m-%d %H:%M:%S}"
