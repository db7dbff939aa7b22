"""A statement tells all that moved a budget's money in a period, and adds up."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse

from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.naming import Purpose, name_by
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import BillingDetails
from apps.billing.statements.files import as_csv, document_of
from apps.billing.statements.months import month_from
from apps.billing.statements.statement import statement_of, statements_of
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


@pytest.mark.django_db(transaction=True)
def test_it_adds_up_though_money_comes_in_while_it_is_drawn_up(budget, fund, now):
    def pay_in_meanwhile(execute, sql, *args):
        answer = execute(sql, *args)
        if "billing_transfer" in sql:
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(on_a_connection_of_its_own, fund, budget, "1").result()
        return answer

    with connection.execute_wrapper(pay_in_meanwhile):
        [told] = statements_of(budget.team, start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    assert told.adds_up
    assert (told.opening_glm, told.closing_glm, len(told.entries)) == (0, 10, 1)
    budget.refresh_from_db()
    assert budget.available_glm > 10, "it did come in"


def on_a_connection_of_its_own(verb, *args):
    try:
        verb(*args)
    finally:
        connection.close()


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
    told = statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(days=32))
    rows = list(csv.DictReader(io.StringIO(as_csv([told]).decode("utf-8-sig"))))
    assert [row["kind"] for row in (rows[0], rows[-1])] == ["opening", "closing"]
    assert len(rows) == 2 + 5
    assert {row["reference"] for row in rows if row["kind"] == "usage"} == {told.entries[1].reference}


@pytest.mark.parametrize(
    ("month", "status"), [("", 200), ("2026-02", 200), ("2026-13", 404), ("2999-01", 404)]
)
def test_it_shows_a_month(moved, team, owner, client, month, status):
    client.force_login(owner)
    answer = client.get(reverse("billing:statement", args=[team.slug]), {"month": month} if month else {})
    assert answer.status_code == status
    if not month:
        now = datetime.now(UTC)
        assert f"{now:%B %Y}" in answer.content.decode()
        assert "Used" in answer.content.decode()


def test_it_shows_no_month_that_has_none_before_it(moved, team, owner, client):
    client.force_login(owner)
    page = reverse("billing:statement", args=[team.slug])
    assert client.get(page, {"month": "0001-01"}).status_code == 404
    assert client.get(page, {"month": "1970-01"}).status_code == 200


def test_its_csv_holds_no_formulas(moved, budget, now, monkeypatch):
    monkeypatch.setattr("apps.billing.invoicing.naming._namers", [])
    name_by(lambda pks: {pk: Purpose("=HYPERLINK(1)", "web", "web-1") for pk in pks})
    budget.name = "@main"
    rows = as_csv([statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))])
    cells = [cell for row in csv.reader(io.StringIO(rows.decode("utf-8-sig"))) for cell in (row[0], row[3])]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell[:1] in ("=", "@")]


def test_it_hands_a_month_out_as_csv(moved, team, owner, client):
    client.force_login(owner)
    answer = client.get(reverse("billing:statement", args=[team.slug]), {"as": "csv"})
    assert answer["Content-Type"].startswith("text/csv")
    assert ",so far,Balance so far at " in answer.content.decode("utf-8-sig")


@pytest.mark.parametrize(("form", "begins"), [("pdf", b"%PDF-"), ("json", b"[\n")])
def test_it_hands_a_month_out_as_a_file(moved, team, owner, client, form, begins):
    client.force_login(owner)
    address = reverse("billing:statement", args=[team.slug])
    answer = client.get(address, {"as": form, "month": f"{datetime.now(UTC):%Y-%m}"})
    assert answer.content.startswith(begins)
    assert f"{datetime.now(UTC):%Y-%m}.{form}" in answer["Content-Disposition"]
    assert client.get(address, {"as": "xls"}).status_code == 404


def test_it_has_no_file_of_nothing(team, owner, client):
    client.force_login(owner)
    address = reverse("billing:statement", args=[team.slug])
    assert client.get(address, {"as": "pdf"}).status_code == 404
    assert "No budget yet" in client.get(address).content.decode()


def test_it_adds_up_what_came_and_went(moved, budget, now):
    told = statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    assert told.opening_glm + told.came_in_glm - told.went_out_glm == told.closing_glm
    document = document_of(told)
    assert (document["went_out_glm"], document["came_in_glm"]) == ("0.00041888", "10.000119")
    assert [entry["label"] for entry in document["entries"]].count("Used") == 1


@pytest.mark.parametrize("text", ["2026-13", "soon", "9999-12", "0000-01", "2026-05-01"])
def test_it_says_how_months_are_written(text):
    with pytest.raises(ValueError, match=r"expected a month such as 20\d\d-\d\d"):
        month_from(text)


def test_it_knows_where_a_month_ends():
    month = month_from("2024-02")
    assert (str(month), month.end - month.start, month.before.day) == ("2024-02", timedelta(days=29), 31)


def test_it_says_what_was_used_for_what(moved, budget, agreement, now, monkeypatch):
    def used():
        told = statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))
        return [entry.about for entry in told.entries if entry.kind == "usage"]

    monkeypatch.setattr("apps.billing.invoicing.naming._namers", [])
    assert used() == [f"hive/hello:1, agreement {str(agreement.pk)[:8]}"]
    name_by(lambda ids: {pk: Purpose("shop", "web", "web-1") for pk in ids})
    assert used() == ["shop/web-1: hive/hello:1"]


def test_it_asks_no_more_for_more_that_was_used(moved, budget, now, django_assert_max_num_queries):
    with django_assert_max_num_queries(11):  # two of them begin and end the instant
        statement_of(budget, start=now - timedelta(hours=1), end=now + timedelta(hours=1))


def test_it_states_no_month_that_is_to_come():
    with pytest.raises(ValueError, match=r"2999-01 has not begun: expected a month until 20\d\d-\d\d"):
        month_from("2999-01")


def test_a_month_that_runs_is_told_until_now(moved, budget, team, owner, client):
    before = datetime.now(UTC)
    assert before <= month_from("").until <= datetime.now(UTC)
    assert month_from("2024-02").until == datetime(2024, 3, 1, tzinfo=UTC)
    client.force_login(owner)
    address = reverse("billing:statement", args=[team.slug])
    told = client.get(address).content.decode()
    assert ("Balance so far" in told, "Closing balance" in told) == (True, False)
    assert "Closing balance" in client.get(address, {"month": "2024-02"}).content.decode()
    [document] = client.get(address, {"as": "json"}).json()
    assert before <= datetime.fromisoformat(document["end"]) <= datetime.now(UTC)


def test_nothing_closes_before_its_month_is_over(moved, budget):
    running, over = [
        statement_of(budget, start=month.start, end=month.until)
        for month in (month_from(""), month_from("2024-02"))
    ]
    assert (over.closing_name, over.closing_label) == ("Closing balance", "Closing balance")
    assert (running.closing_name, running.is_over) == ("Balance so far", False)
    assert running.closing_label == f"Balance so far at {running.end:%Y-%m-%d %H:%M:%S} UTC"
    assert document_of(running)["closing_label"] == running.closing_label
    *_, last = csv.DictReader(io.StringIO(as_csv([running]).decode("utf-8-sig")))
    assert (last["kind"], last["about"]) == ("so far", running.closing_label)


def test_its_tiles_never_round_a_balance_up(moved, team, owner, client):
    """9.99958112 GLM are left of the 10 that were paid in."""
    client.force_login(owner)
    told = client.get(reverse("billing:statement", args=[team.slug])).content.decode()
    tile = told.split("<dt>Balance so far</dt>")[1].split("</dd>")[0]
    assert ">9.99 <" in tile
