"""Payment requests: the link of EIP-681, and a QR code that says the same."""

from decimal import Decimal

import pytest
import segno
from eth_utils.address import is_checksum_address, to_checksum_address

from apps.billing.wallets.payment_requests import NoChain, request_payment
from apps.nodes.queen import queen_address

TOKEN = "0x0b220b82f3ea3b7f6d9a1d8ab58930c064a2b5bf"


@pytest.fixture(autouse=True)
def polygon(settings):
    settings.HIVE_GLM_TOKEN, settings.HIVE_CHAIN_ID = TOKEN, 137


def test_it_names_token_chain_recipient_and_amount_in_the_smallest_unit():
    asked = request_payment(Decimal("12.500000000000000001"))
    treasury = to_checksum_address(queen_address())
    assert asked.link == (
        f"ethereum:0x0B220b82F3eA3B7F6d9A1D8ab58930C064A2b5Bf@137/transfer?address={treasury}"
        "&uint256=12500000000000000001"
    )
    assert is_checksum_address(asked.recipient)


def test_it_draws_the_link_and_nothing_else():
    asked = request_payment(Decimal(25))
    expected = segno.make(asked.link, error="m", micro=False).matrix
    assert asked.qr_rows == ["".join(str(int(module)) for module in row) for row in expected]
    assert len({len(row) for row in asked.qr_rows} | {len(asked.qr_rows)}) == 1
    assert asked.qr_svg.startswith("<svg ")
    assert "<script" not in asked.qr_svg


@pytest.mark.parametrize("amount", ["0", "-1", "1e10", "0.0000000000000000001", "NaN", "Infinity"])
def test_it_asks_for_no_amount_that_the_ledger_would_not_take(amount):
    with pytest.raises(ValueError, match="expected"):
        request_payment(Decimal(amount))


def test_it_asks_for_nothing_where_there_is_no_token(settings):
    settings.HIVE_GLM_TOKEN = ""
    with pytest.raises(NoChain):
        request_payment(Decimal(1))
