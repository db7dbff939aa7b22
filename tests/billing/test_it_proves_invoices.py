"""An exported invoice is recomputed offline, and whatever is changed in it is found and named."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import typed_data
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_json
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import BillingDetails, EdgeTraffic, UsageRecord
from apps.money import plain
from apps.teams.audit import Actor
from apps.teams.models import Team
from hive_client.cli import main
from hive_client.proving import Wrong, prove
from hive_client.proving.located import Document
from tests.billing.conftest import MINUTE_MS
from tests.billing.forging import changed, signed_again
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")


@pytest.fixture
def export(team, meter, node, agreement, now) -> bytes:
    """Two reports on an earlier invoice, three on this one, the last claiming too much; with taxes."""
    Team.objects.update(created_at=now - timedelta(hours=2))
    team.refresh_from_db()
    BillingDetails.objects.create(
        team=team, name="Bäckerei “Zur Biene”", taxes=[{"name": "VAT", "percent": "19"}]
    )
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    draw_up_invoice(team=team, actor=CLERK, until=now - timedelta(minutes=30))
    EdgeTraffic.objects.create(agreement=agreement, minute=now, egress_bytes=700)
    reports = [
        meter.report(egress_bytes=500),
        meter.report(egress_bytes=900),
        meter.report(running_ms=99_000),
    ]
    store_usage(node_id=node.id, reports=reports)
    rate_usage()
    return as_json(draw_up_invoice(team=team, actor=CLERK, until=now))


def refused(data: bytes, *, at: str, because: str) -> None:
    with pytest.raises(Wrong, match=because) as wrong:
        prove(data)
    assert wrong.value.path == at


def test_it_recomputes_what_was_invoiced(export):
    proven = prove(export)
    assert (proven.kind, proven.agreements, proven.reports) == ("invoice", 1, 5)
    invoice = json.loads(export)["invoice"]
    assert invoice["lines"][0]["first_sequence"] == 3
    assert proven.total_glm == Decimal(invoice["net_glm"]) * Decimal("1.19")
    assert proven.issuer == invoice["issuer"]["key"]


def test_it_proves_an_invoice_whatever_its_white_space(export):
    assert prove(json.dumps(json.loads(export), ensure_ascii=False, indent=3).encode()) == prove(export)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_it_finds_any_byte_that_is_another(export, place, byte):
    offset = int(place * len(export))
    other = export[:offset] + bytes([byte]) + export[offset + 1 :]
    if says_the_same(other, export):
        prove(other)
    else:
        with pytest.raises(Wrong):
            prove(other)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), count=st.integers(1, 3))
def test_it_finds_bytes_that_are_missing(export, place, count):
    offset = int(place * len(export))
    other = export[:offset] + export[offset + count :]
    if not says_the_same(other, export):
        with pytest.raises(Wrong):
            prove(other)


def says_the_same(other: bytes, export: bytes) -> bool:
    """But for white space between the values."""
    try:
        return bool(json.dumps(json.loads(other)) == json.dumps(json.loads(export)))
    except ValueError:
        return False


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(junk=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_it_refuses_what_is_no_export(junk):
    with pytest.raises(Wrong):
        prove(junk)


@pytest.mark.parametrize(
    ("field", "value", "at", "because"),
    [
        ("running_ms", 60_001, "hash", "the report's numbers give"),
        ("sequence", 3, "sequence", "none may be left out"),
        ("previous_hash", "0x" + "11" * 32, "previous_hash", "of the report before"),
        ("billed_running_ms", 60_001, "billed_running_ms", "more is billed than ran"),
        ("billed_cpu_ms", 5_999, "billed_cpu_ms", "expected 6000"),
        ("billed_egress_bytes", 1, "billed_egress_bytes", "more is billed than was reported"),
        ("cost_glm", "0.000125", "cost_glm", "the agreement's price gives 0.000126"),
        ("signature", "0x" + "22" * 65, "signature", "not signed by"),
        ("final", 1, "final", "expected true or false"),
        ("more", 1, "more", "does not belong here"),
    ],
)
def test_it_names_the_place(export, field, value, at, because):
    agreements = json.loads(export)["agreements"]
    agreements[0]["reports"][1][field] = value
    other = changed(export, agreements=agreements)
    refused(other, at=f"/agreements/0/reports/1/{at}", because=because)
    with pytest.raises(Wrong) as wrong:
        prove(other)
    if field in {"billed_cpu_ms", "cost_glm", "signature", "sequence"}:
        assert other[wrong.value.offset :].startswith(json.dumps(value).encode()), "the byte it names"


@pytest.fixture
def stepped(team, meter, node, agreement, now) -> bytes:
    """A clock stepped on by an hour within the first minute, and was set right in the second."""
    Team.objects.update(created_at=now - timedelta(hours=2))
    team.refresh_from_db()
    began_ms = meter.clock_ms
    ahead = meter.report(ended_at_ms=began_ms + 61 * MINUTE_MS)
    meter.clock_ms = began_ms + MINUTE_MS
    store_usage(node_id=node.id, reports=[ahead, meter.report()])
    UsageRecord.objects.filter(sequence=1).update(received_at=agreement.approved_at + timedelta(minutes=1))
    rate_usage()
    return as_json(draw_up_invoice(team=team, actor=CLERK, until=now))


def test_it_recomputes_minutes_that_passed_where_a_clock_had_stepped_to(stepped):
    agreements = json.loads(stepped)["agreements"]
    assert [report["billed_running_ms"] for report in agreements[0]["reports"]] == [MINUTE_MS, MINUTE_MS]
    assert prove(stepped).reports == 2


def test_it_recomputes_minutes_after_a_report_all_of_which_was_ahead(team, meter, node, agreement, now):
    Team.objects.update(created_at=now - timedelta(hours=2))
    team.refresh_from_db()
    began_ms = meter.clock_ms
    ahead = [meter.report(ended_at_ms=began_ms + 61 * MINUTE_MS), meter.report()]
    meter.clock_ms = began_ms + 2 * MINUTE_MS
    store_usage(node_id=node.id, reports=[*ahead, meter.report()])
    for sequence in (1, 2, 3):
        received_at = agreement.approved_at + timedelta(minutes=sequence)
        UsageRecord.objects.filter(sequence=sequence).update(received_at=received_at)
    rate_usage()
    export = as_json(draw_up_invoice(team=team, actor=CLERK, until=now))
    billed = [each["billed_running_ms"] for each in json.loads(export)["agreements"][0]["reports"]]
    assert billed == [MINUTE_MS, 0, MINUTE_MS]
    assert prove(export).reports == 3


def test_it_finds_a_minute_that_is_billed_twice(team, meter, node, now):
    Team.objects.update(created_at=now - timedelta(hours=2))
    team.refresh_from_db()
    first = meter.report()
    meter.clock_ms = first.started_at_ms
    store_usage(node_id=node.id, reports=[first, meter.report()])
    rate_usage()
    export = as_json(draw_up_invoice(team=team, actor=CLERK, until=now))
    assert prove(export).reports == 2
    agreements = json.loads(export)["agreements"]
    agreements[0]["reports"][1]["billed_running_ms"] = 1
    refused(
        changed(export, agreements=agreements),
        at="/agreements/0/reports/1/billed_running_ms",
        because="more is billed than ran",
    )


def test_it_names_a_report_that_was_left_out(export):
    agreements = json.loads(export)["agreements"]
    del agreements[0]["reports"][2]
    refused(
        changed(export, agreements=agreements),
        at="/agreements/0/reports/2/sequence",
        because="expected report 3",
    )


def test_it_names_a_line_that_its_reports_do_not_give(export):
    invoice = json.loads(export)["invoice"]
    invoice["lines"][0]["cost_glm"] = "0.1"
    refused(changed(export, invoice=invoice), at="/invoice/lines/0/cost_glm", because="give 0.0")


@pytest.mark.parametrize(
    ("name", "at"), [("net_glm", "net_glm"), ("tax_glm", "tax_glm"), ("total_glm", "total_glm")]
)
def test_it_names_a_sum_that_is_wrong(export, name, at):
    invoice = json.loads(export)["invoice"]
    invoice[name] = "7"
    with pytest.raises(Wrong, match=r"adds up to|expected"):
        prove(changed(export, invoice=invoice))


def test_it_finds_what_only_the_issuer_vouches_for(export):
    invoice = json.loads(export)["invoice"]
    invoice["customer"]["name"] = "Somebody else"
    refused(changed(export, invoice=invoice), at="/invoice", because="not all of it is what")


def test_it_finds_another_signature_of_the_issuer(export):
    signature = json.loads(export)["signature"]
    refused(changed(export, signature=signature.upper()), at="/signature", because="130 hexadecimal digits")
    refused(changed(export, signature=signature[:-2]), at="/signature", because="130 hexadecimal digits")
    digit = "0" if signature[40] != "0" else "1"
    other = signature[:40] + digit + signature[41:]
    refused(changed(export, signature=other), at="/invoice", because=r"signed, or not with /signature")


def test_it_finds_another_agreements_signature(export, agreement):
    agreements = json.loads(export)["agreements"]
    message = typed_data.agreement(agreement.terms, chain_id=31337)
    agreements[0]["provider_signature"] = typed_data.sign(message, key_of_bee(7))
    refused(changed(export, agreements=agreements), at="/agreements/0/provider_signature", because="not what")


def test_it_finds_usage_that_is_billed_twice(export):
    document = json.loads(export)
    net_glm = plain(2 * Decimal(document["invoice"]["net_glm"]))
    twice = signed_again(
        changed(export, agreements=document["agreements"] * 2),
        lines=document["invoice"]["lines"] * 2,
        taxes=[],
        net_glm=net_glm,
        tax_glm="0",
        total_glm=net_glm,
    )
    refused(twice, at="/agreements/1/terms/agreement_id", because="stands there twice")


def test_it_finds_another_teams_usage(export):
    customer = json.loads(export)["invoice"]["customer"] | {"team": "rivals"}
    other = signed_again(export, customer=customer)
    refused(other, at="/agreements/0/terms/team", because="expected the customer's, rivals")


@pytest.mark.parametrize(
    ("period", "at", "because"),
    [
        (
            {"period_start": "1999-01-01T00:00:00+00:00", "period_end": "1999-02-01T00:00:00+00:00"},
            "/agreements/0/reports/2/started_at_ms",
            "after the invoice's period",
        ),
        ({"period_end": "1999-02-01T00:00:00+00:00"}, "/invoice/period_end", "after the period's start"),
        ({"period_end": "2999-02-01T00:00:00"}, "/invoice/period_end", "with its zone"),
        ({"period_start": "May"}, "/invoice/period_start", "with its zone"),
    ],
)
def test_it_finds_usage_after_the_period(export, period, at, because):
    refused(signed_again(export, **period), at=at, because=because)


def test_it_takes_agreements_of_an_earlier_key_that_is_named(export, tmp_path):
    """The Hive has another key since: the agreement was signed with the one before."""
    key, issuer = key_of_bee(8), json.loads(export)["invoice"]["issuer"]
    file = tmp_path / "invoice.json"
    file.write_bytes(signed_again(export, key=key, issuer=issuer | {"key": key.address.lower()}))
    told = CliRunner().invoke(main, ["verify-invoice", str(file)])
    assert (told.exit_code, "or an earlier one that you name" in told.stderr) == (1, True)
    earlier = "0x" + issuer["key"][2:].upper()
    assert CliRunner().invoke(main, ["verify-invoice", str(file), "--earlier-key", earlier]).exit_code == 0


@pytest.mark.parametrize(
    ("data", "offset", "because"),
    [
        (b'{"a": 1, "a": 1}', 9, "twice"),
        (b'{"\xc3\xa9": 1.5}', 8, "expected"),
        (b'["\\u0041"]', 1, "escape"),
        (b"[-0]", 1, "whole number"),
        (b"[1] 2", 4, "the end"),
        (b"[" * 40, 13, "nested deeper"),
        (b'"\xff"', 1, "UTF-8"),
        (b"%PDF-1.7 \xff", 0, r"this is a PDF: export the JSON \(hive invoices NUMBER --save invoice.json\)"),
    ],
)
def test_it_reads_one_way_of_writing(data, offset, because):
    with pytest.raises(Wrong, match=because) as wrong:
        Document(data)
    assert wrong.value.offset == offset


def test_it_proves_credit_notes(team, meter, node, now):
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    invoice = draw_up_invoice(team=team, actor=CLERK, until=now)
    note = credit(invoice, net_glm=Decimal("0.0001"), actor=CLERK, reason="it was slow")
    proven = prove(as_json(note))
    assert (proven.kind, proven.number, proven.total_glm) == ("credit note", note.number, Decimal("0.0001"))
    assert json.loads(as_json(note))["invoice"]["credits"] == invoice.number


def test_it_is_a_command_that_asks_no_hive(export, tmp_path):
    file = tmp_path / "invoice.json"
    file.write_bytes(export)
    told = CliRunner().invoke(main, ["verify-invoice", str(file)])
    assert (told.exit_code, "is right: 1 agreements and 5 usage reports" in told.stdout) == (0, True)
    invoice = json.loads(export)["invoice"]
    assert f"over {invoice['total_glm']} GLM is right" in told.stdout, "to the last digit, as what is due"
    told = CliRunner().invoke(main, ["verify-invoice", str(file), "--issuer", "0x" + "ab" * 20])
    assert (told.exit_code, "signed by" in told.stderr) == (1, True)
    for option in ("--issuer", "--earlier-key"):
        told = CliRunner().invoke(main, ["verify-invoice", str(file), option, "zzz"])
        assert (told.exit_code, "expected an address, 0x and 40" in told.stderr) == (2, True)
    file.write_bytes(export.replace(b'"cpu_ms": 6000', b'"cpu_ms": 6001', 1))
    told = CliRunner().invoke(main, ["verify-invoice", str(file)])
    assert told.exit_code == 1
    assert "/agreements/0/reports/0/hash (byte " in told.stderr
