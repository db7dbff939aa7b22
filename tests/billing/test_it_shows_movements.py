from decimal import Decimal

import pytest

from apps.billing.ledger.movements import movements_of
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage

pytestmark = pytest.mark.django_db


def test_it_sums_usage_and_keeps_what_was_paid_in_visible(meter, node, budget):
    store_usage(node_id=node.id, reports=[meter.report(), meter.report()])
    rate_usage()
    used, paid_in = movements_of([budget], limit=15)
    assert (used.about, used.amount_glm) == ("hive/hello:1", Decimal("-0.000352"))
    assert (paid_in.what, paid_in.amount_glm) == ("Paid in", Decimal(10))


def test_it_leaves_room_for_what_was_paid_in(meter, node, budget, fund):
    for _ in range(5):
        fund(budget, "1")
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    shown = movements_of([budget], limit=4)
    assert [each.what.split(",")[0] for each in shown] == ["Used", "Paid in", "Paid in", "Paid in"]
