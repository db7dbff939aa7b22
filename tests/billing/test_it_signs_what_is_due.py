"""An export says what of it was used on credit, signed; those from before it did are checked as they are."""

import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from apps.billing.budgets.lending import set_credit_limit
from apps.billing.invoicing import sealing
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_json
from apps.billing.ledger.posting import house_account, transfer
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import AccountKind, BillingDetails
from apps.teams.audit import Actor
from hive_client.cli import main
from hive_client.proving import Wrong, prove
from tests.billing.forging import changed, signed_again

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")
USED, VAT = Decimal("0.000352"), Decimal("0.00006688")


@pytest.fixture
def draw_up(meter, node, team, budget, now):
    """Over two reports, used on credit, with taxes on them."""
    BillingDetails.objects.create(team=team, taxes=[{"name": "VAT", "percent": "19"}])
    set_credit_limit(budget, Decimal(5), actor=CLERK, reason="a good customer")
    transfer(
        key="test:spent",
        kind="counter",
        debit=budget.available,
        credit=house_account(AccountKind.FEES),
        amount_glm=Decimal(10),
    )
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    return lambda: draw_up_invoice(team=team, actor=CLERK, until=now)


@pytest.fixture
def old(draw_up, monkeypatch):
    """Signed before `credit_glm` stood on it."""
    with monkeypatch.context() as before:
        before.setattr(sealing, "_signed_as", lambda paper: (sealing.FIRST_FORMAT, sealing._invoice(paper)))
        return draw_up()


def refused(data: bytes, *, at: str, because: str) -> None:
    with pytest.raises(Wrong, match=because) as wrong:
        prove(data)
    assert wrong.value.path == at


def test_it_signs_what_was_used_on_credit(draw_up, tmp_path):
    export = as_json(invoice := draw_up())
    assert json.loads(export)["format"] == "golem-hive-invoice/2"
    assert json.loads(export)["invoice"]["credit_glm"] == "0.000352"
    assert prove(export).due_glm == invoice.due_glm == USED + VAT
    (file := tmp_path / "invoice.json").write_bytes(export)
    told = CliRunner().invoke(main, ["verify-invoice", str(file)])
    assert (told.exit_code, "Due when it was drawn up: 0.00041888 GLM." in told.stdout) == (0, True)


def test_nobody_changes_what_is_due(draw_up):
    export = as_json(draw_up())
    paper = json.loads(export)["invoice"]
    refused(
        changed(export, invoice=paper | {"credit_glm": "0"}), at="/invoice", because="not all of it is what"
    )
    forged = signed_again(export, credit_glm="0.0004")
    refused(forged, at="/invoice/credit_glm", because=r"more than the 0\.000352 that were used")
    refused(
        changed(export, format=sealing.FIRST_FORMAT), at="/invoice/credit_glm", because="does not belong here"
    )


def test_what_was_signed_before_stays_as_it_was(old, tmp_path):
    export = as_json(old)
    assert json.loads(export)["format"] == "golem-hive-invoice/1"
    assert "credit_glm" not in json.loads(export)["invoice"]
    proven = prove(export)
    assert (proven.total_glm, proven.due_glm) == (old.total_glm, None)
    refused(changed(export, format=sealing.FORMAT), at="/invoice/credit_glm", because="is missing")
    (file := tmp_path / "invoice.json").write_bytes(export)
    told = CliRunner().invoke(main, ["verify-invoice", str(file)])
    assert (told.exit_code, "Due" in told.stdout) == (0, False)


def test_credit_notes_stay_as_they_are(draw_up):
    note = credit(draw_up(), net_glm=Decimal("0.0001"), actor=CLERK, reason="slow")
    export = as_json(note)
    assert json.loads(export)["format"] == "golem-hive-invoice/1"
    assert (prove(export).total_glm, prove(export).due_glm) == (note.total_glm, None)
