"""The forms in which statements are handed out: what each is called, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.http import HttpResponse

from apps.billing.statements.files import as_csv, as_json
from apps.billing.statements.months import Month
from apps.billing.statements.paper import as_pdf
from apps.billing.statements.statement import Statement
from apps.teams.models import Team

FORMS: dict[str, tuple[str, Callable[[Team, Sequence[Statement]], bytes]]] = {
    "json": ("application/json", lambda team, statements: as_json(statements)),
    "csv": ("text/csv; charset=utf-8", lambda team, statements: as_csv(statements)),
    "pdf": ("application/pdf", as_pdf),
}


def as_file(team: Team, statements: Sequence[Statement], *, month: Month, form: str) -> HttpResponse:
    """KeyError for a form there is not, ValueError where there is nothing to state."""
    kind, write = FORMS[form]
    name = f'attachment; filename="{team.slug}-{month}.{form}"'
    return HttpResponse(write(team, statements), content_type=kind, headers={"Content-Disposition": name})
