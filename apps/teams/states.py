"""State machines: the one door through which a noun's state moves.

A noun declares its states (a `TextChoices` with a sentence under each member) and its transitions (one dict)
in its own file. `move_to` is a conditional UPDATE, so of two workers only one moves it, and it writes the
audit line in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.utils import timezone

from apps.teams.audit import Actor, AuditLine
from apps.teams.storing import store_each


class StateError(Exception):
    """A transition that the noun's table does not have."""


class StaleState(StateError):
    """Somebody else moved it first: what was decided on the old state is dropped."""


class Stateful(models.Model):
    """A row with a state, the reason for it, and the instant by which it must have left it."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]]

    state: models.CharField[str, str]
    reason = models.CharField(max_length=500, blank=True, help_text="Why it is in this state.")
    state_since = models.DateTimeField(default=timezone.now, editable=False)
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="By when it must have left this state; none for a final one."
    )

    class Meta:
        abstract = True

    @classmethod
    def terminal_states(cls) -> frozenset[str]:
        return frozenset(state for state, targets in cls.TRANSITIONS.items() if not targets)

    @property
    def is_terminal(self) -> bool:
        return not self.TRANSITIONS[self.state]

    def can_move_to(self, state: str) -> bool:
        return state in self.TRANSITIONS[self.state]

    def move_to(
        self,
        state: str,
        *,
        actor: Actor,
        reason: str,
        deadline_at: datetime | None = None,
        **changes: Any,
    ) -> Self:
        """Move to `state`, set `changes` with it, and write the audit line, all or nothing.

        Raises `StateError` for a transition that is not in the table and `StaleState` when the row has
        left the state that this object remembers.
        """
        if not self.can_move_to(state):
            raise StateError(f"{self._meta.verbose_name} {self.pk}: no way from {self.state} to {state}")
        now = timezone.now()
        changes |= {"state": state, "reason": reason[:500], "state_since": now, "deadline_at": deadline_at}
        model = type(self)
        with transaction.atomic():
            moved = model._default_manager.filter(pk=self.pk, state=self.state).update(**changes)
            if moved != 1:
                raise StaleState(f"{self._meta.verbose_name} {self.pk} is no longer {self.state}")
            AuditLine.write(self, before=self.state, after=state, actor=actor, reason=reason)
        for name, value in changes.items():
            setattr(self, name, value)
        return self

    @classmethod
    def move_all(
        cls,
        rows: Collection[Self],
        state: str,
        *,
        actor: Actor,
        reason: str,
        deadline_at: datetime | None = None,
        keep_deadline: bool = False,
        **changes: Any,
    ) -> list[Self]:
        """`move_to` for many rows of one state, in as many statements as for one. Returns those that moved.

        A row that has left the state which its object remembers is passed over. With `keep_deadline` each
        keeps its own. Raises `StateError`.
        """
        if not rows:
            return []
        now, moving = timezone.now(), {row.pk: row for row in rows if row.can_move_to(state)}
        before = {row.state for row in rows}
        if len(moving) < len(rows) or len(before) > 1:
            raise StateError(f"{cls._meta.verbose_name_plural}: no one way from {sorted(before)} to {state}")
        changes |= {"state": state, "reason": reason[:500], "state_since": now}
        if not keep_deadline:
            changes["deadline_at"] = deadline_at
        with transaction.atomic():
            still = cls._default_manager.filter(pk__in=moving, state__in=before).order_by("pk")
            moved = [moving[pk] for pk in still.select_for_update(no_key=True).values_list("pk", flat=True)]
            cls._default_manager.filter(pk__in=[row.pk for row in moved]).update(**changes)
            AuditLine.objects.bulk_create(
                AuditLine.draft(row, before=row.state, after=state, actor=actor, reason=reason)
                for row in moved
            )
        for row in moved:
            for name, value in changes.items():
                setattr(row, name, value)
        return moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row's way to another state, for `move_each`."""

    row: Stateful
    state: str
    actor: Actor
    reason: str
    deadline_at: datetime | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


def move_each(moves: Collection[Move]) -> list[Move]:
    """`move_to` for many rows of one model, each its own way, in a fixed number of statements.

    Rows are locked in the order of their keys. Returns the moves that were made: a row that has left the
    state which its object remembers is passed over. Raises `StateError`.
    """
    by_key = {move.row.pk: move for move in moves}
    for move in moves:
        if not move.row.can_move_to(move.state):
            what, was = move.row._meta.verbose_name, move.row.state
            raise StateError(f"{what} {move.row.pk}: no way from {was} to {move.state}")
    if not by_key:
        return []
    model, now = type(next(iter(by_key.values())).row), timezone.now()
    with transaction.atomic():
        rows = model._default_manager.filter(pk__in=by_key).order_by("pk").select_for_update(no_key=True)
        states = {row.pk: row.state for row in rows.only("pk", "state")}  # type: ignore[misc]  # each noun's own
        still = [by_key[pk] for pk, state in states.items() if state == by_key[pk].row.state]
        lines = [_line(move) for move in still]
        fields = {name for move in still for name in _take_on(move, now=now)}
        store_each([move.row for move in still], sorted(fields))
        AuditLine.objects.bulk_create(lines)
    return still


def _line(move: Move) -> AuditLine:
    return AuditLine.draft(
        move.row, before=move.row.state, after=move.state, actor=move.actor, reason=move.reason
    )


def _take_on(move: Move, *, now: datetime) -> Iterable[str]:
    """Have the object remember its new state; the names of what changed."""
    changes = {
        "state": move.state,
        "reason": move.reason[:500],
        "state_since": now,
        "deadline_at": move.deadline_at,
        **move.changes,
    }
    for name, value in changes.items():
        setattr(move.row, name, value)
    return changes


def has_deadline(*, terminal: frozenset[str] | set[str], name: str) -> models.CheckConstraint:
    """Invariant 5, kept by the database: what is not final has a deadline."""
    return models.CheckConstraint(
        name=name, condition=models.Q(state__in=sorted(terminal)) | models.Q(deadline_at__isnull=False)
    )
