"""Statements as a PDF, each budget on pages of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils import timezone

from apps.billing.invoicing import taxing
from apps.billing.invoicing.sheet import Column, Group, Sheet, day, instant
from apps.billing.invoicing.sums import Sum
from apps.billing.statements.statement import Statement
from apps.money import plain
from apps.teams.models import Team

COLUMNS = (
    Column("When, UTC", 34, "LEFT"),
    Column("What", 20, "LEFT"),
    Column("For", 42, "LEFT"),
    Column("GLM", 39),
    Column("Balance", 39),
)
SUMS_MM = 40


def as_pdf(team: Team, statements: Sequence[Statement]) -> bytes:
    """Raises ValueError where there is no budget, and so nothing to state."""
    if not statements:
        raise ValueError(f"{team} has no budget: there is nothing to state before something was paid in")
    start, now = statements[0].start, timezone.now()
    issuer = taxing.issuer()
    sheet = Sheet(
        title=f"Statement of {start:%B %Y}, {team.slug}",
        footer=f"Drawn up on {day(now)}, {now:%H:%M} UTC, from the Hive's ledger. Money held for leases is"
        " part of the balance.",
        author=str(issuer["name"]),
        created_at=now,
    )
    for number, statement in enumerate(statements):
        if number:
            sheet.add_page()
        _state(sheet, statement, team, issuer)
    return bytes(sheet.output())


def _state(sheet: Sheet, statement: Statement, team: Team, issuer: dict[str, object]) -> None:
    sheet.head(issuer=issuer, name="Statement", number=f"{statement.start:%B %Y}")
    customer = taxing.customer(taxing.details_of(team))
    sheet.parties(customer=customer, title="Account of", facts=_facts(statement))
    closing = f"{plain(statement.closing_glm)} GLM"
    sheet.figure(label=statement.closing_name, amount=closing, words=f"at {instant(statement.end)} UTC")
    sheet.table_of(COLUMNS, _rows(statement))
    with sheet.together(SUMS_MM):
        sheet.sums(_sums(statement))


def _facts(statement: Statement) -> list[tuple[str, str]]:
    return [
        ("Period", f"{instant(statement.start)} to\n{instant(statement.end)} UTC"),
        ("Budget", statement.name),
        ("Team", statement.team),
    ]


def _rows(statement: Statement) -> Iterator[Sequence[str] | Group]:
    yield Group("Opening balance", plain(statement.opening_glm))
    for entry in statement.entries:
        amount = plain(entry.amount_glm).replace("-", "−")
        sign = "+" if entry.amount_glm > 0 else ""
        about = "\n".join(filter(None, (entry.about, entry.tx_hash)))
        yield instant(entry.at), entry.label, about, f"{sign}{amount}", plain(entry.balance_glm)
    yield Group(statement.closing_label, plain(statement.closing_glm))


def _sums(statement: Statement) -> list[Sum]:
    return [
        Sum("Opening balance", plain(statement.opening_glm)),
        Sum("Came in", f"+{plain(statement.came_in_glm)}"),
        Sum("Went out", f"−{plain(statement.went_out_glm)}"),
        Sum(statement.closing_name, plain(statement.closing_glm), is_bold=True),
    ]
