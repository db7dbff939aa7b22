"""A statement tells all that moved a budget's money in a period, and adds up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.ledger.statements import as_csv, statement_of
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import BillingDetails
from apps.teams.audit import Actor

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")


@pytest.fixture
def moved(meter, node, team, budget, now):
    """10 paid in, 1 held, two reports used, an invoice with taxes, and a part of it credited."""
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    credit(invoice, net_glm=Decimal("0.0001"), actor=CLERK, reason="slow")


def test_it_tells_all_that_moved(moved, budget, now):
    told = statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    assert (told.opening_glm, told.closing_glm) == (0, budget.available_glm + budget.held_glm)
    assert told.adds_up
    amounts = {(entry.kind, entry.amount_glm) for entry in told.entries}
    assert amounts == {
        ("deposit", Decimal(10)),
        ("usage", Decimal("-0.000352")),
        ("tax", Decimal("-0.00006688")),
        ("credit", Decimal("0.0001")),
        ("credit", Decimal("0.000019")),
    }
    assert told.entries[-1].balance_glm == told.closing_glm


def test_it_goes_on_where_the_last_one_ended(moved, budget, now):
    first = statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    second = statement_of(budget, start=first.end, end=first.end + timedelta(days=1))
    assert (second.opening_glm, second.entries, second.closing_glm) == (
        first.closing_glm,
        [],
        first.closing_glm,
    )


def test_it_refuses_a_period_that_ends_before_it_starts(budget, now):
    with pytest.raises(ValueError, match="expected a time after"):
        statement_of(budget, start=now, end=now)


def test_it_writes_csv(moved, budget, now):
    rows = as_csv(statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1)))
    lines = rows.decode("utf-8-sig").splitlines()
    assert [line.split(",")[1] for line in (lines[1], lines[-1])] == ["opening", "closing"]
    assert len(lines) == 3 + 5


@pytest.mark.parametrize(("month", "status"), [("", 200), ("2026-02", 200), ("2026-13", 404), ("soon", 404)])
def test_it_shows_a_month(moved, team, owner, client, month, status):
    client.force_login(owner)
    answer = client.get(reverse("billing:statement", args=[team.slug]), {"month": month} if month else {})
    assert answer.status_code == status
    if not month:
        now = datetime.now(UTC)
        assert f"{now:%B %Y}" in answer.content.decode()
        assert "Usage posted" in answer.content.decode()


def test_it_hands_a_month_out_as_csv(moved, team, owner, client):
    client.force_login(owner)
    answer = client.get(reverse("billing:statement", args=[team.slug]), {"as": "csv"})
    assert answer["Content-Type"].startswith("text/csv")
    assert "closing" in answer.content.decode("utf-8-sig")
