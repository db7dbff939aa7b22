"""The JSON-RPC nodes that the chain is read from, as the watcher last found them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db import models

from apps.teams.states import Stateful, has_deadline


class ChainNodeState(models.TextChoices):
    WELL = "well", "Well"
    """It answers, is near the newest block, and says what the others say."""
    LEFT_OUT = "left_out", "Left out"
    """Silent, behind, of another chain or contradicting the others: asked last, until it is well again."""
    RETIRED = "retired", "Retired"
    """HIVE_RPC_URL no longer names it."""


class ChainNode(Stateful):
    """One node of HIVE_RPC_URL, by host and port: the rest of its address may be a key."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]] = {
        ChainNodeState.WELL: frozenset({ChainNodeState.LEFT_OUT, ChainNodeState.RETIRED}),
        ChainNodeState.LEFT_OUT: frozenset({ChainNodeState.WELL, ChainNodeState.RETIRED}),
        ChainNodeState.RETIRED: frozenset({ChainNodeState.WELL, ChainNodeState.LEFT_OUT}),
    }

    name = models.CharField(max_length=200, unique=True, help_text="Host and port.")
    state = models.CharField(max_length=12, choices=ChainNodeState.choices, default=ChainNodeState.WELL)
    height = models.BigIntegerField(null=True, blank=True, help_text="Its newest block when last examined.")
    examined_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When a node left out is tried again.")
    tries = models.PositiveIntegerField(default=0, help_text="In vain, since it was well.")
    lies = models.PositiveIntegerField(default=0, help_text="How often the others contradicted it.")

    class Meta:
        ordering = ("name",)
        constraints = (
            has_deadline(
                terminal={ChainNodeState.WELL, ChainNodeState.RETIRED}, name="chain_node_has_deadline"
            ),
        )

    def __str__(self) -> str:
        return self.name
