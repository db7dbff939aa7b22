"""What is measured of the nodes: the series of their heartbeats, and now and then a benchmark."""

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


class NodeBenchmark(models.Model):
    """What a node measured of itself once, in the units of `agent.protocol.Benchmarks`; 0 is unknown."""

    node = models.ForeignKey("nodes.Node", on_delete=models.CASCADE, related_name="benchmarks")
    at = models.DateTimeField(help_text="When it was measured, by the Queen's clock.")
    cpu_single = models.FloatField(default=0, help_text="CPU units of one thread.")
    cpu_all = models.FloatField(default=0, help_text="CPU units of all threads together.")
    mem_gib_s = models.FloatField(default=0)
    disk_write_mib_s = models.FloatField(default=0)
    disk_read_mib_s = models.FloatField(default=0)
    up_mbit_s = models.FloatField(default=0, help_text="To the Queen.")
    down_mbit_s = models.FloatField(default=0, help_text="From the Queen.")
    round_trip_ms = models.FloatField(default=0, help_text="To the Queen and back.")

    FIGURES: ClassVar = (
        "cpu_single",
        "cpu_all",
        "mem_gib_s",
        "disk_write_mib_s",
        "disk_read_mib_s",
        "up_mbit_s",
        "down_mbit_s",
        "round_trip_ms",
    )

    class Meta:
        ordering = ("-at",)
        constraints = (models.UniqueConstraint(fields=("node", "at"), name="benchmark_once_per_instant"),)

    def __str__(self) -> str:
        return f"{self.node_id} on {self.at:%Y-%m-%d %H:%M}"
