"""The page of a month's statement, for each of a team's budgets; and the same as a file."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from apps.billing.statements.forms import FORMS, as_file
from apps.billing.statements.months import Month, month_from
from apps.billing.statements.statement import statements_of
from apps.teams.choice import choose_team


@login_required
def statement(request: HttpRequest, slug: str) -> HttpResponse:
    """`?month=2026-05`, else this month; `?as=pdf`, `csv` or `json` for a file."""
    team = choose_team(request, slug)
    month = _asked(request)
    statements = statements_of(team, start=month.start, end=month.until)
    form = request.GET.get("as", "")
    if form in FORMS and statements:
        return as_file(team, statements, month=month, form=form)
    if form:
        raise Http404(f"there is no {form[:40]} of it: pdf, csv or json, once there is a budget")
    context = {"team": team, "month": month, "statements": statements, "forms": FORMS}
    return render(request, "billing/statement.html", context)


def _asked(request: HttpRequest) -> Month:
    try:
        return month_from(request.GET.get("month", ""))
    except ValueError as error:
        raise Http404(str(error)) from None
