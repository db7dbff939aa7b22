"""Exports of several invoices are checked beside each other: what is on two of them is found and named."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner

from agent import typed_data
from apps.billing.invoicing.crediting import credit
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.invoicing.files import as_json
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Invoice
from apps.nodes.queen import queen_key
from apps.teams.audit import Actor
from apps.teams.models import Team
from hive_client.cli import main
from hive_client.proving import Together, Wrong, prove
from hive_client.proving.numbering import in_words, missing_numbers
from hive_client.proving.usage import terms_of
from tests.billing.forging import billing, signed_again

pytestmark = pytest.mark.django_db

CLERK = Actor("user", "clerk")


@pytest.fixture
def periods(team, meter, node, agreement, now) -> list[bytes]:
    """Three invoices of one agreement, with two reports each."""
    Team.objects.update(created_at=now - timedelta(hours=2))
    team.refresh_from_db()
    exports = []
    for minutes in (40, 20, 0):
        store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
        rate_usage()
        invoice = draw_up_invoice(team=team, actor=CLERK, until=now - timedelta(minutes=minutes))
        exports.append(as_json(invoice))
    return exports


def together(*exports: bytes) -> Together:
    taken = Together()
    for number, export in enumerate(exports, start=1):
        taken.add(f"{number}.json", export)
    return taken


def refused(*exports: bytes, at: str, because: str) -> None:
    """The last one, for what those before say; by itself it is right."""
    prove(exports[-1])
    with pytest.raises(Wrong, match=because) as wrong:
        together(*exports)
    assert wrong.value.path == at


def reports_of(export: bytes) -> list[dict]:
    return json.loads(export)["agreements"][0]["reports"]


def of_reports(export: bytes, reports: list[dict], **invoice) -> bytes:
    [evidence] = json.loads(export)["agreements"]
    return billing(export, [evidence | {"reports": reports}], **invoice)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_it_takes_periods_that_follow_each_other_in_any_order(periods, order):
    assert list(together(*(periods[number] for number in order)).notes()) == []


def test_it_finds_a_report_that_is_on_two_invoices(periods):
    twice = [report | {"here": True} for report in reports_of(periods[1])]
    forged = of_reports(periods[1], twice)
    because = r"report 1 is billed twice: HIVE-\d+-000001 has it, too \(1.json, byte "
    refused(periods[0], forged, at="/agreements/0/reports/0/here", because=because)
    with pytest.raises(Wrong) as wrong:
        together(periods[0], forged)
    assert forged[wrong.value.offset :].startswith(b"true")
    first = int(wrong.value.why.rpartition("byte ")[2].rstrip(")"))
    assert periods[0][first:].startswith(b"true"), "the byte that it names in the other file"


def test_it_finds_seconds_that_are_billed_twice_in_another_report(periods, meter, node, team, now):
    """The Bee tells of a minute again, in its next report; the issuer denies that it was billed before."""
    meter.clock_ms = reports_of(periods[2])[4]["started_at_ms"]
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    export = as_json(draw_up_invoice(team=team, actor=CLERK, until=now + timedelta(minutes=1)))
    *before, again = reports_of(export)
    assert again["billed_running_ms"] == 0
    nothing = {"billed_running_ms": 0, "billed_cpu_ms": 0, "cost_glm": "0"}
    denied = [*before[:4], before[4] | nothing, before[5] | nothing]
    billed = {name: before[5][name] for name in nothing}
    forged = of_reports(export, [*denied, again | billed])
    assert together(periods[0], periods[1], forged), "nobody can tell without the third one"
    at = "/agreements/0/reports/4/billed_running_ms"
    refused(*periods, forged, at=at, because="another file says 60000: 3.json, byte ")


def test_it_finds_a_chain_that_forks(periods, meter, node):
    """Two reports with the same number, both signed: each is on an invoice."""
    first, second = reports_of(periods[0])
    meter.sequence, meter.head, meter.clock_ms = 1, first["hash"], second["started_at_ms"]
    other = meter.report(running_ms=59_000, cpu_ms=0)
    told = {name: getattr(other, name) for name in ("running_ms", "cpu_ms", "hash", "signature")}
    billed = {"billed_running_ms": 59_000, "billed_cpu_ms": 0, "cost_glm": "0.000118", "here": True}
    forged = of_reports(periods[0], [first | {"here": False}, second | told | billed], number="HIVE-2026-9")
    refused(periods[1], forged, at="/agreements/0/reports/1/running_ms", because="another file says 60000")


def test_it_finds_other_terms_of_the_same_agreement(periods, bee_key):
    [evidence] = json.loads(periods[1])["agreements"]
    terms = evidence["terms"] | {"image": "another"}
    message = typed_data.agreement(terms_of(terms), chain_id=31337)
    signed = {
        "requestor_signature": typed_data.sign(message, queen_key()),
        "provider_signature": typed_data.sign(message, bee_key),
    }
    document = json.loads(periods[1])
    document["invoice"]["lines"][0]["what"] = "another"
    forged = billing(json.dumps(document).encode(), [evidence | signed | {"terms": terms}])
    refused(periods[0], forged, at="/agreements/0/terms/image", because="another file says")


def test_it_finds_a_number_that_was_given_twice(periods):
    number = json.loads(periods[0])["invoice"]["number"]
    forged = signed_again(periods[1], number=number)
    refused(periods[0], forged, at="/invoice/number", because="another invoice has it: 1.json, byte ")


def test_it_counts_a_file_that_is_given_again_once(periods):
    indented = json.dumps(json.loads(periods[0]), ensure_ascii=False, indent=3).encode()
    [note] = together(periods[0], indented).notes()
    assert note.startswith("2.json is HIVE-")
    assert note.endswith(" again, as 1.json: it counts once")


def test_it_notes_what_files_that_are_missing_may_have(periods):
    numbers = [json.loads(export)["invoice"]["number"] for export in periods]
    missing, unbilled = together(periods[0], periods[2]).notes()
    assert missing == f"{numbers[1]} is not among these files"
    assert unbilled.endswith("billed on none of these files: reports 3 to 4")


def test_it_takes_credit_notes_among_invoices(periods):
    invoice = Invoice.objects.earliest("issued_at")
    note = credit(invoice, net_glm=Decimal("0.0001"), actor=CLERK, reason="it was slow")
    assert list(together(*periods, as_json(note)).notes()) == []


def test_it_names_runs_of_numbers():
    papers = [("a", "H-07"), ("a", "H-10"), ("a", "H-8"), ("a", "G-5"), ("b", "H-20"), ("a", "none")]
    assert list(missing_numbers(papers)) == ["H-9 is"]
    assert list(missing_numbers([("a", "H-001"), ("a", "H-100")])) == ["H-002 to H-099 are"]
    assert list(missing_numbers([("a", "9" * 5000), ("a", "H-٣"), ("a", "H-1")])) == []
    assert (in_words([5, 1, 4, 3]), in_words([2])) == ("1, 3 to 5", "2")


def test_it_is_a_command_of_several_files(periods, tmp_path):
    files = [tmp_path / f"{number}.json" for number in (1, 2, 3)]
    for file, export in zip(files, periods, strict=True):
        file.write_bytes(export)
    told = CliRunner().invoke(main, ["verify-invoice", *map(str, files)])
    assert (told.exit_code, told.stdout.count("is right"), told.stdout.count("Signed by")) == (0, 3, 1)
    assert "Nothing is billed twice on these 3 files." in told.stdout
    told = CliRunner().invoke(main, ["verify-invoice", str(files[0]), str(files[2]), "-o", "json"])
    answer = json.loads(told.stdout)
    assert [paper["file"] for paper in answer["papers"]] == [str(files[0]), str(files[2])]
    assert len(answer["notes"]) == 2
    files[1].write_bytes(of_reports(periods[1], [r | {"here": True} for r in reports_of(periods[1])]))
    told = CliRunner().invoke(main, ["verify-invoice", *map(str, files)])
    assert told.exit_code == 1
    assert told.stderr.startswith(f"Error: {files[1]}: /agreements/0/reports/0/here (byte ")
    assert f"({files[0]}, byte " in told.stderr
