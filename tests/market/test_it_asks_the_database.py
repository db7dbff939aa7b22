"""A filter as SQL finds the offers for which it holds: held against the evaluator, on made-up filters."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.market.filters import FilterError, Inquiry, ids_meeting
from apps.market.filters.known import KNOWN, properties_of
from apps.market.filters.parse import parse
from apps.market.filters.sql import to_q
from apps.market.filters.tree import (
    Compare,
    Every,
    Filter,
    Kind,
    Like,
    Not,
    Operator,
    Present,
    Some,
    holds,
    number_of,
    version_of,
)
from apps.nodes.models import Node, NodeBenchmark, Offer
from tests.cast import key_of_bee
from tests.market.test_it_reads_filters import MEANINGS, OFFER

pytestmark = pytest.mark.django_db

MEAN = [
    "'",
    '"',
    "a'); DROP TABLE nodes_offer; --",
    "%s",
    "%(x)s",
    "{}",
    "?",
    "$1",
    "\\",
    "%",
    "_",
    "*",
    "()",
]
NAMES = ["a", "b", "a'); --", "golem.runtime.name", "golem.inf.cpu.threads", "hive.region"]
TEXTS = st.one_of(
    st.sampled_from(["", "a", "B", "10", "9", "true", "1.2.3", "1.10", "1.2.3.4", "eu-west", "a_b%c", *MEAN]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4),
)
NUMBERS = st.one_of(
    st.integers(-2, 12), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans())
VALUES = st.one_of(
    TEXTS,
    SCALARS,
    st.lists(SCALARS | st.none(), min_size=1, max_size=3),
    st.none(),
    st.dictionaries(TEXTS, SCALARS, max_size=2),
)
OFFERS = st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=3, max_size=6)


@st.composite
def _leaves(draw: st.DrawFn, properties: dict[str, Any]) -> Filter:
    """Most ask for what is there: the very value, a piece of it, or one like it."""
    name = draw(st.sampled_from([*properties, *NAMES]))
    value = draw(_near(properties.get(name)))
    kind = draw(st.sampled_from([Kind.ANY, Kind.ANY, *Kind]))
    if draw(st.integers(0, 9)) == 0:
        return Present(name)
    if draw(st.integers(0, 2)) == 0:
        return Like(name, draw(_pieces(value)))
    if kind is Kind.DECIMAL and number_of(value) is None:
        value = str(draw(st.integers(-2, 12)))
    if kind is Kind.VERSION and version_of(value) is None:
        value = draw(st.sampled_from(["1", "1.2", "1.2.3", "1.10-rc1", "1.2.3.4"]))
    return Compare(name, draw(st.sampled_from([Operator.EQUAL, Operator.EQUAL, *Operator])), value, kind)


def _near(value: Any) -> st.SearchStrategy[str]:
    there = value if isinstance(value, list) else [value]
    said = [str(one).lower() if isinstance(one, bool) else str(one) for one in there]
    return st.one_of(st.sampled_from(said), st.sampled_from(said), TEXTS, st.integers(-2, 12).map(str))


@st.composite
def _pieces(draw: st.DrawFn, value: str) -> tuple[str, ...]:
    cuts = sorted(draw(st.lists(st.integers(0, len(value)), min_size=2, max_size=4)))
    first, last = value[: cuts[0]], value[cuts[-1] :]
    whole = (first, *(value[a:b] for a, b in pairwise(cuts)), last)
    return whole if draw(st.booleans()) else (*whole[::2], "")


def _filters(properties: dict[str, Any]) -> st.SearchStrategy[Filter]:
    return st.recursive(
        _leaves(properties),
        lambda parts: st.one_of(
            st.builds(Not, parts),
            st.builds(Every, st.lists(parts, max_size=3).map(tuple)),
            st.builds(Some, st.lists(parts, max_size=3).map(tuple)),
        ),
        max_leaves=4,
    )


CASES = OFFERS.flatmap(lambda properties: st.tuples(st.just(properties), _filters(properties)))


@pytest.fixture
def offer(make_node: Callable[..., Node], make_offer: Callable[..., Offer]) -> Offer:
    return make_offer(make_node(key_of_bee(1)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=CASES, region=st.sampled_from(["", "eu-west", "a"]), fault=st.booleans())
def test_it_finds_what_holds(
    offer: Offer, case: tuple[dict[str, Any], Filter], region: str, fault: bool
) -> None:
    properties, tree = case
    Offer.objects.filter(pk=offer.pk).update(properties=properties)
    Node.objects.filter(pk=offer.node_id).update(region=region, region_fault="far away" if fault else "")
    stored = Offer.objects.get(pk=offer.pk)
    assert Offer.objects.filter(to_q(tree)).exists() is holds(tree, properties_of(stored))
    assert Offer.objects.count() == 1


@pytest.mark.parametrize(("text", "meets"), MEANINGS)
def test_it_means_the_same(offer: Offer, text: str, meets: bool) -> None:
    Offer.objects.filter(pk=offer.pk).update(properties=OFFER, runtime="vm", cpu_threads=7, mem_gib="10.612")
    assert bool(ids_meeting(text.replace("10.612468048930168", "10.612"))) is meets


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["a", "a.'%s--", "é"]), value=TEXTS | NUMBERS.map(str), pattern=st.booleans())
def test_it_asks_what_was_written(offer: Offer, name: str, value: str, pattern: bool) -> None:
    """From text on: what was escaped finds exactly the property that has it."""
    escaped = "".join(f"\\{byte:02x}" for byte in value.encode())
    Offer.objects.filter(pk=offer.pk).update(properties={name: value})
    text = f"({name}=*{escaped}*)" if pattern else f"({name}={escaped})"
    assert ids_meeting(text) == {offer.pk}
    Offer.objects.filter(pk=offer.pk).update(properties={name: f"{value}!"})
    assert ids_meeting(f"({name}={escaped})") == set()


def test_it_lets_nobody_meet_what_cannot_be_read(offer: Offer) -> None:
    assert ids_meeting("") == {offer.pk}
    assert Inquiry()("(golem.runtime.name=process") == set()
    with pytest.raises(FilterError):
        ids_meeting("(golem.runtime.name=process")


def test_it_trusts_its_own_columns_more_than_what_an_offer_says(offer: Offer) -> None:
    lies = {
        "golem.inf.cpu.threads": 512,
        "hive.reputation": 1.0,
        "hive.region": "eu-west",
        "hive.owner": "root",
    }
    Offer.objects.filter(pk=offer.pk).update(properties=lies)
    for text in (
        "(golem.inf.cpu.threads>=512)",
        "(hive.reputation>=0)",
        "(hive.region=*)",
        "(hive.owner=root)",
    ):
        assert ids_meeting(text) == set(), text
    assert ids_meeting(f"(&(golem.inf.cpu.threads={offer.cpu_threads})(hive.node.id={offer.node_id}))") == {
        offer.pk
    }


def test_it_survives_numbers_that_no_database_can_hold(offer: Offer) -> None:
    Offer.objects.filter(pk=offer.pk).update(properties={"a": "9" * 140_000, "b": 10**400, "c": "1" * 64})
    assert ids_meeting("(|(a$d>=1)(!(a$d>=1)))") == set()
    assert ids_meeting("(&(a=9*)(b>1e399)(b$d>1e399)(c$d>1)(!(c$v=1)))") == set()
    assert ids_meeting("(&(a=9*)(b>1e399)(b$d>1e399)(c$d>1))") == {offer.pk}


def test_it_knows_what_was_measured(offer: Offer) -> None:
    assert ids_meeting("(hive.benchmark.cpu>=100)") == set()
    measured = NodeBenchmark.objects.create(node=offer.node, at=offer.issued_at, cpu_single=123.5)
    Node.objects.filter(pk=offer.node_id).update(benchmark=measured, round_trip_ms=12.25)
    assert ids_meeting("(&(hive.benchmark.cpu>=123.5)(hive.round-trip-ms<=12.25))") == {offer.pk}
    assert ids_meeting("(hive.benchmark.up-mbit-s>=0)") == set(), "nought stands for not measured"


@pytest.mark.parametrize("name", KNOWN)
def test_it_reads_each_known_name_alike_in_sql_and_python(offer: Offer, name: str) -> None:
    stored = Offer.objects.get(pk=offer.pk)
    for text in (f"({name}=*)", f"(!({name}=*))", f"({name}>=0)", f"({name}=a*)"):
        assert bool(ids_meeting(text)) is holds(parse(text), properties_of(stored)), text


@pytest.fixture(autouse=True)
def _no_offer_is_lost() -> Iterator[None]:
    """Nothing of what is asked changes anything."""
    yield
    assert Offer.objects.count() == 1
