"""The audit trail: who moved what from where to where, and why. Written by `move_to` and by verbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from django.db import models

ROUTINE = ("assignment", "debitnote", "delivery", "demand", "hold", "proposal")
"""Nouns whose every step would drown what people want to see at a glance."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a user, a node or a part of the Queen itself."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def user(cls, user: models.Model) -> Actor:
        return cls("user", str(user))

    @classmethod
    def node(cls, node_id: str) -> Actor:
        return cls("node", node_id)

    @classmethod
    def queen(cls, part: str) -> Actor:
        """`part` names the process: reconcile, market, settlement, watcher, ..."""
        return cls("queen", part)


class AuditLine(models.Model):
    """One step of one noun; never changed, never deleted (a trigger sees to it)."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    team = models.ForeignKey("teams.Team", null=True, blank=True, on_delete=models.PROTECT)
    noun = models.CharField(max_length=40, help_text="Model name, lower case: replica, agreement, ...")
    noun_id = models.CharField(max_length=64)
    label = models.CharField(max_length=200, blank=True, help_text="The noun as people call it: hello/web-1.")
    before = models.CharField(max_length=24, blank=True)
    after = models.CharField(max_length=24, blank=True)
    actor = models.CharField(max_length=80)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("noun", "noun_id", "-at")),)

    def __str__(self) -> str:
        return (
            f"{self.noun} {self.label or self.noun_id}: {self.before or '-'} -> {self.after} ({self.reason})"
        )

    @classmethod
    def write(cls, noun: models.Model, *, before: str, after: str, actor: Actor, reason: str) -> Self:
        line = cls.draft(noun, before=before, after=after, actor=actor, reason=reason)
        line.save(force_insert=True)
        return line

    @classmethod
    def draft(cls, noun: models.Model, *, before: str, after: str, actor: Actor, reason: str) -> Self:
        """Not written yet, for those who write many at once."""
        return cls(
            team_id=getattr(noun, "audit_team_id", None),
            noun=noun._meta.model_name or "",
            noun_id=str(noun.pk),
            label=str(noun)[:200],
            before=before,
            after=after,
            actor=str(actor)[:80],
            reason=reason[:500],
        )
