"""A month's end goes on where it was killed and is shared by workers: no number missing, no team twice."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections

from apps.billing.invoicing import drawing, monthly
from apps.billing.invoicing.monthly import draw_up_months
from apps.billing.models import BillingDetails, Invoice, InvoiceSeries, UsageRecord
from apps.market.models import Agreement
from apps.teams.audit import AuditLine
from apps.teams.models import Team
from tests.cast import posted_usage

pytestmark = pytest.mark.django_db(transaction=True)

MAY = datetime(2026, 5, 1, tzinfo=UTC)
TEAMS = 6


@pytest.fixture
def april(make_agreement, offer, bee_key) -> list[Team]:
    """Teams that pay taxes on 0.2 GLM each, and have no budget to take them from."""
    teams = [Team.objects.create(slug=f"t{number}", name="busy") for number in range(TEAMS)]
    Team.objects.update(created_at=MAY - timedelta(days=40))
    for team in teams:
        BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
        agreement = make_agreement(offer, bee_key, team=team, cpu_threads=Decimal("0.1"))
        for sequence in (1, 2):
            ended_at = MAY - timedelta(minutes=3 - sequence)
            posted_usage(agreement, sequence=sequence, ended_at_ms=int(ended_at.timestamp() * 1000))
    return teams


def month_end() -> int:
    return draw_up_months(now=MAY + timedelta(hours=1))


def must_be_whole(teams: list[Team]) -> None:
    """One invoice for each, numbered from 1 on, over all that was used, written down once."""
    invoices = list(Invoice.objects.order_by("number"))
    assert [invoice.number for invoice in invoices] == [f"HIVE-2026-{n:06d}" for n in range(1, TEAMS + 1)]
    assert {invoice.team_id for invoice in invoices} == {team.pk for team in teams}
    assert {invoice.total_glm for invoice in invoices} == {Decimal("0.238")}
    assert all(invoice.signature for invoice in invoices)
    assert InvoiceSeries.objects.get().last_number == TEAMS
    assert AuditLine.objects.filter(noun="invoice", after="drawn up").count() == TEAMS
    assert not UsageRecord.objects.filter(invoice=None).exists()


def killed_at(number: int, module: object, name: str) -> None:
    """Run the month's end in a process that is killed before the `number`th call of `module.name`."""
    connections.close_all()
    if not (child := os.fork()):
        try:
            _kill_at(number, module, name)
            month_end()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it came to an end before it was to be killed"


def _kill_at(number: int, module: object, name: str) -> None:
    work: Callable[..., object] = getattr(module, name)
    calls = iter(range(1, number + 1))

    def killing(*args: object, **words: object) -> object:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*args, **words)

    setattr(module, name, killing)


@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("step", ["lines_of", "next_in_series", "seal", "collect"])
def test_it_goes_on_where_it_was_killed(april, number, step):
    killed_at(number, drawing, step)
    assert Invoice.objects.count() == number - 1, "what was begun is undone, what was done stays"
    assert InvoiceSeries.objects.filter(last_number=Invoice.objects.count()).count() == bool(number - 1)
    assert month_end() == TEAMS - number + 1
    must_be_whole(april)


def test_it_shares_the_teams_among_workers(april, monkeypatch):
    """Each waits for the other with its first team in hand, so that both are at work at once."""
    both, done = threading.Barrier(2), []
    first = threading.local()
    lines_of = drawing.lines_of

    def together(invoice_id):
        if not getattr(first, "is_over", False):
            first.is_over = True
            both.wait(timeout=30)
        return lines_of(invoice_id)

    def work():
        try:
            done.append(month_end())
        finally:
            connection.close()

    monkeypatch.setattr(drawing, "lines_of", together)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), sum(done)) == (2, TEAMS)
    assert all(done), "one of them did nothing"
    must_be_whole(april)


def test_it_holds_up_nobody_for_a_team_that_can_t_be_invoiced(april, monkeypatch):
    def broken(team: Team, until: datetime) -> bool:
        if team == april[2]:
            raise ZeroDivisionError
        return draw_up(team, until)

    draw_up = monthly._draw_up
    with monkeypatch.context() as patch:
        patch.setattr(monthly, "_draw_up", broken)
        assert month_end() == TEAMS - 1
    assert month_end() == 1
    must_be_whole(april)


def test_it_reads_no_other_invoice_for_each_report(april):
    """For a database that is new to invoices it would, and go on so: the month's end took squares of time."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE billing_invoice")
    for agreement in Agreement.objects.all():
        for sequence in range(3, 40):
            posted_usage(agreement, sequence=sequence)
    before = _looked_up_by_index()
    month_end()
    assert _looked_up_by_index() - before >= UsageRecord.objects.count()


def _looked_up_by_index() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'billing_invoice_pkey'"
        )
        return int(cursor.fetchone()[0])
