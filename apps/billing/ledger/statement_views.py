"""The page of a month's statement, for each of a team's budgets; and the same as CSV."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.billing.ledger.statements import as_csv, statement_of
from apps.teams.choice import choose_team


@login_required
def statement(request: HttpRequest, slug: str) -> HttpResponse:
    """`?month=2026-05`, else this month; `?as=csv` for spreadsheets."""
    team = choose_team(request, slug)
    month = _month(request.GET.get("month", ""))
    end = (month + timedelta(days=32)).replace(day=1)
    budgets = team.budgets.select_related("team").order_by("id")
    statements = [statement_of(budget, start=month, end=end) for budget in budgets]
    if request.GET.get("as") == "csv":
        name = f'attachment; filename="{team.slug}-{month:%Y-%m}.csv"'
        return HttpResponse(
            b"".join(map(as_csv, statements)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": name},
        )
    context = {
        "team": team,
        "month": month,
        "before": month - timedelta(days=1),
        "after": end if end <= timezone.now() else None,
        "statements": statements,
    }
    return render(request, "billing/statement.html", context)


def _month(text: str) -> datetime:
    """When it began, UTC."""
    now = timezone.now()
    try:
        found = datetime.strptime(text, "%Y-%m") if text else now
    except ValueError:
        raise Http404(f"{text}: expected a month such as {now:%Y-%m}") from None
    return now.replace(year=found.year, month=found.month, day=1, hour=0, minute=0, second=0, microsecond=0)
