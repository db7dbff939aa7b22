"""Owners say whom invoices are made out to; taxes are not theirs to set; what is drawn up stays as it is."""

from __future__ import annotations

from django.test import Client

from apps.billing.models import BillingDetails
from apps.teams.audit import AuditLine
from apps.teams.models import User
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery

PAGE = "/teams/bakery/billing/details/"
CHANGE = f"{PAGE}change/"


def test_an_owner_changes_them(scenery: Scenery, as_owner: Client) -> None:
    said = {
        "name": " Brot  GmbH ",
        "address": "Am Markt 1\r\n\r\n10117 Berlin\r\n",
        "taxes": "[]",
        "note": "none",
    }
    told = as_owner.post(CHANGE, said, follow=True).content.decode()
    assert "Invoices are made out like this from now on" in told
    details = BillingDetails.objects.get()
    assert (details.name, details.address) == ("Brot GmbH", "Am Markt 1\n\n10117 Berlin")
    assert (details.tax_id, details.note) == ("DE123456789", "")
    assert details.taxes == [{"name": "VAT", "percent": "19"}], "taxes are the operator's"
    line = AuditLine.objects.get(noun="billingdetails", after="changed")
    assert (line.reason, line.actor) == ("invoices are made out to another name, address", "user:olga")
    scenery.invoice.refresh_from_db()
    assert scenery.invoice.customer["name"] == "The Bakery, Müller & Søn"


def test_it_names_what_is_wrong(scenery: Scenery, as_owner: Client) -> None:
    said = {"email": "nobody", "address": "\n".join("abcdefghij"), "name": "\x1b[31mred"}
    answer = as_owner.post(CHANGE, said)
    told = answer.content.decode()
    assert answer.status_code == 422
    assert "Enter a valid email address" in told
    assert "Expected at most 8 lines, got 10" in told
    assert "Expected letters that can be printed" in told
    assert BillingDetails.objects.get().name == "The Bakery, Müller & Søn"


def test_a_teammate_only_looks(scenery: Scenery, teammate: User) -> None:
    client = signed_in(teammate)
    told = client.get(PAGE).content.decode()
    assert ("Hauptstraße 7<br>10115 Berlin" in told, "<textarea" in told) == (True, False)
    assert client.post(CHANGE, {"name": "Mine"}).status_code == 404
