"""A statement: all that moved a budget's money in a period, between its opening and its closing balance.

Balance is what is available and what is held together, so holds and releases move nothing. Usage is summed by
day and agreement; all else is told one by one. The closing balance is read from the ledger, not added up.
What was undone within the period is told, and set off in the sums: it neither came in nor went out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncDay

from apps.billing.budgets.models import Budget, Hold
from apps.billing.invoicing.naming import Purpose, purposes_of
from apps.billing.ledger.accounts import Transfer, TransferKind
from apps.billing.ledger.instant import one_instant
from apps.billing.ledger.movements import called
from apps.billing.ledger.references import Told, behind
from apps.billing.statements.months import month_of
from apps.money import ZERO
from apps.teams.models import Team

_HOLD = "hold:"


@dataclass(frozen=True, slots=True)
class Entry:
    """`amount_glm` is above zero for what came in, below for what went out."""

    at: datetime
    kind: str
    about: str
    amount_glm: Decimal
    balance_glm: Decimal
    """After it."""
    reference: str
    """As the ledger has it, for programs."""
    address: str = ""
    """The wallet on the other side, where there is one."""
    tx_hash: str = ""
    """The chain's transaction, where there is one."""
    is_under_way: bool = False
    """A withdrawal that is not final yet."""
    set_off_glm: Decimal = ZERO
    """What of the amount is undone within the period, or undoes; with the amount's sign."""

    @property
    def label(self) -> str:
        """In a team's own words."""
        return called(self.kind, is_under_way=self.is_under_way)

    @property
    def counted_glm(self) -> Decimal:
        """In the sums of what came in and went out."""
        return self.amount_glm - self.set_off_glm


@dataclass(frozen=True, slots=True)
class Statement:
    team: str
    budget_id: int
    name: str
    start: datetime
    end: datetime
    """Not included."""
    opening_glm: Decimal
    closing_glm: Decimal
    entries: list[Entry]

    @property
    def is_over(self) -> bool:
        """Whether its month is: nothing is closed before."""
        return month_of(self.start).end <= self.end

    @property
    def closing_name(self) -> str:
        return "Closing balance" if self.is_over else "Balance so far"

    @property
    def closing_label(self) -> str:
        """With the instant where nothing else says it."""
        return (
            self.closing_name if self.is_over else f"{self.closing_name} at {self.end:%Y-%m-%d %H:%M:%S} UTC"
        )

    @property
    def came_in_glm(self) -> Decimal:
        return sum((entry.counted_glm for entry in self.entries if entry.amount_glm > 0), ZERO)

    @property
    def went_out_glm(self) -> Decimal:
        """Above zero."""
        return -sum((entry.counted_glm for entry in self.entries if entry.amount_glm < 0), ZERO)

    @property
    def adds_up(self) -> bool:
        return self.opening_glm + sum(entry.amount_glm for entry in self.entries) == self.closing_glm


def statement_of(budget: Budget, *, start: datetime, end: datetime) -> Statement:
    """As the books stand at one instant. Raises ValueError when `end` is not after `start`."""
    if end <= start:
        raise ValueError(
            f"a statement until {end:%Y-%m-%d %H:%M}: expected a time after {start:%Y-%m-%d %H:%M}"
        )
    with one_instant():
        return _stated(budget, start=start, end=end)


def statements_of(team: Team, *, start: datetime, end: datetime) -> list[Statement]:
    """One for each budget of the team, the oldest first."""
    with one_instant():
        budgets = team.budgets.select_related("team").order_by("id")
        return [statement_of(budget, start=start, end=end) for budget in budgets]


def _stated(budget: Budget, *, start: datetime, end: datetime) -> Statement:
    opening_glm, closing_glm = _balance(budget, start), _balance(budget, end)
    period = _moved(budget).filter(at__gte=start, at__lt=end)
    rows = sorted([*_used(period), *_others(period, budget)], key=lambda row: (row["at"], row["about"]))
    return Statement(
        team=budget.team.slug,
        budget_id=budget.pk,
        name=budget.name,
        start=start,
        end=end,
        opening_glm=opening_glm,
        closing_glm=closing_glm,
        entries=list(_running(rows, opening_glm=opening_glm)),
    )


def _moved(budget: Budget) -> QuerySet[Transfer]:
    """What crossed the border of the budget."""
    own = (budget.available_id, budget.held_id)
    touching = Transfer.objects.filter(Q(debit__in=own) | Q(credit__in=own))
    return touching.exclude(debit__in=own, credit__in=own).order_by()


def _balance(budget: Budget, at: datetime) -> Decimal:
    own = (budget.available_id, budget.held_id)
    sums = _moved(budget).filter(at__lt=at)
    came = sums.filter(credit__in=own).aggregate(all=Sum("amount"))["all"] or ZERO
    went = sums.filter(debit__in=own).aggregate(all=Sum("amount"))["all"] or ZERO
    return came - went


def _used(period: QuerySet[Transfer]) -> Iterator[dict[str, Any]]:
    usage = period.filter(kind=TransferKind.USAGE, reference__startswith=_HOLD)
    by_day = usage.annotate(day=TruncDay("at")).values("day", "reference")
    rows = list(by_day.annotate(all=Sum("amount"), last=Max("at")))
    about = _about({row["reference"] for row in rows})
    for row in rows:
        words = about.get(row["reference"], row["reference"])
        yield {
            "at": row["last"],
            "kind": TransferKind.USAGE,
            "about": words,
            "amount_glm": -row["all"],
            "reference": row["reference"],
        }


def _about(references: Iterable[str]) -> dict[str, str]:
    """What was used under each hold: as the team calls it, where somebody knows."""
    holds = Hold.objects.filter(pk__in=[reference.removeprefix(_HOLD) for reference in references])
    found = holds.exclude(agreement=None).values_list("pk", "agreement", "agreement__image")
    purposes = purposes_of([agreement for _, agreement, _ in found])
    return {f"{_HOLD}{pk}": _words(purposes[agreement], image, agreement) for pk, agreement, image in found}


def _words(purpose: Purpose, image: str, agreement: UUID) -> str:
    if purpose.deployment:
        return f"{purpose.deployment}/{purpose.replica}: {image}"
    return f"{image}, agreement {str(agreement)[:8]}"


def _others(period: QuerySet[Transfer], budget: Budget) -> Iterator[dict[str, Any]]:
    rows = list(
        period.exclude(kind=TransferKind.USAGE, reference__startswith=_HOLD).values(
            "id", "undoes", "at", "kind", "key", "reference", "amount", into=F("credit")
        )
    )
    stories = behind(Told(row["key"], row["reference"]) for row in rows)
    set_off = _set_off(rows)
    for row in rows:
        sign = 1 if row["into"] in (budget.available_id, budget.held_id) else -1
        story = stories[row["key"]]
        yield {
            "at": row["at"],
            "kind": row["kind"],
            "about": story.words,
            "amount_glm": sign * row["amount"],
            "reference": row["reference"],
            "address": story.address,
            "tx_hash": story.tx_hash,
            "is_under_way": story.is_under_way,
            "set_off_glm": sign * set_off.get(row["id"], ZERO),
        }


def _set_off(rows: Sequence[Mapping[str, Any]]) -> dict[int, Decimal]:
    """Of pairs that undo each other within the period, what of both: a counter-entry may be over a part.

    What is undone in a later month did go out in its own, and comes back in that one: each adds up by itself.
    """
    amounts = {row["id"]: row["amount"] for row in rows}
    pairs = [(row["id"], row["undoes"]) for row in rows if row["undoes"] in amounts]
    return {each: min(amounts[one], amounts[other]) for one, other in pairs for each in (one, other)}


def _running(rows: list[dict[str, Any]], *, opening_glm: Decimal) -> Iterator[Entry]:
    balance_glm = opening_glm
    for row in rows:
        balance_glm += row["amount_glm"]
        yield Entry(**row, balance_glm=balance_glm)
