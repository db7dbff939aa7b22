"""What a transaction offers for gas: pure decisions over wei."""

from hypothesis import given
from hypothesis import strategies as st

from apps.billing.chain.calls import Fees, Gas
from apps.billing.treasury.fees import Bounds, is_starved, offer, raised

GWEI = 10**9
MOST = Bounds(fee_wei=500 * GWEI, tip_wei=100 * GWEI)
wei = st.integers(min_value=0, max_value=10_000 * GWEI)
market = st.builds(Fees, base_wei=wei, tip_wei=wei)


def test_the_first_offer_leaves_room_for_the_base_fee_to_triple():
    assert offer(60_000, Fees(10 * GWEI, GWEI), most=MOST) == Gas(60_000, 31 * GWEI, GWEI)


def test_the_next_offer_is_an_eighth_more_in_a_calm_market():
    last = Gas(60_000, 32 * GWEI, 8 * GWEI)
    assert raised(last, Fees(GWEI, GWEI), limit=60_000, most=MOST) == Gas(60_000, 36 * GWEI + 1, 9 * GWEI + 1)


def test_the_next_offer_follows_a_rising_market():
    last = Gas(60_000, 32 * GWEI, GWEI)
    assert raised(last, Fees(50 * GWEI, 2 * GWEI), limit=60_000, most=MOST) == Gas(
        60_000, 152 * GWEI, 2 * GWEI
    )


def test_it_offers_nothing_beyond_the_limit():
    assert raised(Gas(60_000, MOST.fee_wei - GWEI, GWEI), Fees(0, 0), limit=60_000, most=MOST) is None


def test_it_offers_no_tip_beyond_its_own_limit():
    """It is paid whole: a node that says 1,000 gwei must not be able to spend the treasury's coin."""
    assert offer(60_000, Fees(GWEI, 1000 * GWEI), most=MOST) == Gas(60_000, 103 * GWEI, 100 * GWEI)
    last = Gas(60_000, 103 * GWEI, 95 * GWEI)
    assert raised(last, Fees(GWEI, 1000 * GWEI), limit=60_000, most=MOST) is None


def test_the_next_offer_has_room_for_what_the_call_takes_today():
    offered = raised(Gas(25_000, GWEI, GWEI), Fees(GWEI, GWEI), limit=60_000, most=MOST)
    assert offered is not None
    assert offered.limit == 60_000


def test_it_starves_below_the_base_fee():
    assert is_starved(Gas(60_000, GWEI - 1, 0), Fees(GWEI, 0))
    assert not is_starved(Gas(60_000, GWEI, 0), Fees(GWEI, 0))


@given(market, market)
def test_whatever_the_market_nodes_take_the_next_offer_and_the_limit_holds(first: Fees, later: Fees):
    last = offer(60_000, first, most=MOST)
    assert last.tip_wei <= MOST.tip_wei
    assert last.tip_wei <= last.max_fee_wei <= MOST.fee_wei
    while more := raised(last, later, limit=60_000, most=MOST):
        assert more.tip_wei <= MOST.tip_wei
        assert more.tip_wei <= more.max_fee_wei <= MOST.fee_wei
        assert 10 * more.max_fee_wei >= 11 * last.max_fee_wei
        assert 10 * more.tip_wei >= 11 * last.tip_wei
        last = more
