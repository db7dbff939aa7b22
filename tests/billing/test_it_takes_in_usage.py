import uuid
from datetime import timedelta

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.billing.metering import intake
from apps.billing.metering.faults import MOST_PER_KIND, Fault, write_faults
from apps.billing.metering.intake import store_usage, usage_acks
from apps.billing.metering.rating import rate_usage
from apps.billing.metering.usage_chain import AHEAD, is_genuine
from apps.billing.models import MeteringFault, MeteringFaultKind, UsageRecord
from apps.billing.providers.debit_notes import store_debit_notes
from tests.billing.conftest import ms
from tests.cast import key_of_bee

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(node):
    return lambda *reports: store_usage(node_id=node.id, reports=list(reports))


def faults() -> list[tuple[str, int]]:
    return list(MeteringFault.objects.order_by("id").values_list("kind", "sequence"))


def test_it_stores_a_chain_and_acknowledges_its_end(store, meter, node, agreement):
    assert store(*[meter.report() for _ in range(3)]) == 3
    [ack] = usage_acks([node.id])[node.id]
    assert (ack.agreement_id, ack.sequence, ack.rated_glm, ack.closed) == (str(agreement.id), 3, 0, False)
    rate_usage()
    [ack] = usage_acks([node.id])[node.id]
    assert str(ack.rated_glm) == "0.000478000000000000"  # 3 x 0.000126, and the start price of 0.0001


def test_it_stores_what_comes_again_once(store, meter):
    first, second = meter.report(), meter.report()
    assert store(first) == 1
    assert store(first, second) == 1
    assert store(second, first) == 0
    assert UsageRecord.objects.count() == 2
    assert faults() == []


def test_it_puts_one_delivery_in_order(store, meter):
    reports = [meter.report() for _ in range(3)]
    assert store(*reversed(reports)) == 3


def test_it_refuses_a_forged_report(store, meter):
    assert store(meter.report(key=key_of_bee(99))) == 0
    assert faults() == [(MeteringFaultKind.SIGNATURE, 1)]


def test_it_refuses_numbers_changed_after_signing(store, meter):
    assert store(msgspec.structs.replace(meter.report(), running_ms=999_999)) == 0
    assert faults() == [(MeteringFaultKind.SIGNATURE, 1)]


def test_it_shows_a_fork_and_keeps_the_first(store, meter):
    first = meter.report()
    store(first)
    meter.sequence, meter.head = 0, first.previous_hash
    assert store(meter.report(running_ms=59_000)) == 0
    assert faults() == [(MeteringFaultKind.FORK, 1)]
    assert UsageRecord.objects.get().hash == first.hash


def test_it_checks_no_signature_while_it_keeps_agreements_locked(store, meter, monkeypatch):
    first = meter.report()
    store(first)
    meter.sequence, meter.head = 0, first.previous_hash
    fork, forged = meter.report(running_ms=59_000), meter.report(key=key_of_bee(99))
    was_locked = []
    with CaptureQueriesContext(connection) as asked:

        def noted(report, **signer):
            was_locked.append(any("FOR NO KEY UPDATE" in each["sql"] for each in asked.captured_queries))
            return is_genuine(report, **signer)

        monkeypatch.setattr(intake, "is_genuine", noted)
        assert store(fork, forged) == 0
        assert any("FOR NO KEY UPDATE" in each["sql"] for each in asked.captured_queries)
    assert was_locked == [False, False]
    assert faults() == [(MeteringFaultKind.FORK, 1), (MeteringFaultKind.SIGNATURE, 2)]


def test_it_refuses_a_gap_until_it_is_filled(store, meter):
    first, second, third = (meter.report() for _ in range(3))
    store(first)
    assert store(third) == 0
    assert faults() == [(MeteringFaultKind.GAP, 3)]
    assert store(second, third) == 2
    assert store(third) == 0
    assert faults() == [(MeteringFaultKind.GAP, 3)]


def test_it_refuses_a_report_that_follows_another(store, meter):
    store(meter.report())
    meter.head = "0x" + "ab" * 32
    assert store(meter.report()) == 0
    assert faults() == [(MeteringFaultKind.CHAIN, 2)]


def test_it_takes_nothing_after_the_final_report(store, meter):
    assert store(meter.report(final=True), meter.report()) == 1
    assert faults() == [(MeteringFaultKind.LATE, 2)]


@pytest.mark.parametrize(
    "numbers",
    [
        {"running_ms": -1},
        {"running_ms": 2**63},
        {"cpu_ms": 2**63},
        {"egress_bytes": 10**19},
        {"started_at_ms": -1},
        {"sequence": 0},
        {"sequence": -1},
        {"sequence": 2**40},
        {"ended_at_ms": 1},
        {"ended_at_ms": 2**63},
    ],
)
def test_it_refuses_numbers_no_report_can_have(store, meter, numbers):
    good = meter.report()
    assert store(msgspec.structs.replace(good, **numbers)) == 0
    assert [kind for kind, _ in faults()] == [MeteringFaultKind.RANGE]
    assert store(good) == 1


def test_it_refuses_a_report_from_the_far_future(store, meter, now):
    ahead = meter.report(ended_at_ms=ms(now + AHEAD + timedelta(minutes=5)))
    assert store(ahead) == 0
    assert faults() == [(MeteringFaultKind.RANGE, 1)]
    meter.sequence, meter.head, meter.clock_ms = 0, ahead.previous_hash, ahead.started_at_ms
    assert store(meter.report(ended_at_ms=ms(now + AHEAD))) == 1, "the Queen's clock may have been put back"


def test_it_shows_the_same_fault_once(store, meter):
    forged = meter.report(key=key_of_bee(99))
    for _ in range(3):
        store(forged)
    assert len(faults()) == 1


def test_it_drops_reports_of_agreements_that_are_not_the_nodes(meter, make_node):
    other = make_node()
    stray = [meter.report(), msgspec.structs.replace(meter.report(), agreement_id="no id"), unknown(meter)]
    assert store_usage(node_id=other.id, reports=stray) == 0
    assert faults() == []


@pytest.mark.parametrize(
    "write", [str.upper, "urn:uuid:{}".format, "{{{}}}".format, lambda id_: id_.replace("-", "")]
)
def test_it_takes_the_id_of_an_agreement_as_it_is_written_in_the_terms_alone(
    store, meter, node, agreement, write
):
    written = write(str(agreement.pk))
    assert store(meter.report(agreement_id=written)) == 0
    note = signed_note(meter, written)
    assert store_debit_notes(node_id=node.id, notes=[note]) == 0
    assert faults() == []


def signed_note(meter, agreement_id):
    meter.agreement_id = agreement_id
    return meter.note("0.0001")


def unknown(meter):
    return meter.report(agreement_id=str(uuid.uuid4()))


def test_it_writes_only_so_many_faults_of_one_kind(agreement):
    def write(kind: str, count: int) -> None:
        write_faults((agreement.pk, Fault(kind, number, "nonsense")) for number in range(count))

    for _ in range(2):
        write(MeteringFaultKind.SIGNATURE, MOST_PER_KIND - 1)
    write(MeteringFaultKind.SIGNATURE, 3500)
    write(MeteringFaultKind.UNFUNDED, 1)
    assert len(faults()) <= MOST_PER_KIND + 1
    assert (MeteringFaultKind.UNFUNDED, 0) in faults()
