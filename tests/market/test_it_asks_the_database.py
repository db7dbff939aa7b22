"""A filter as SQL finds the offers for which it holds: held against the evaluator, on made-up filters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.market.filters import ids_meeting
from apps.market.filters.known import KNOWN, properties_of
from apps.market.filters.parse import parse
from apps.market.filters.sql import to_q
from apps.market.filters.tree import Compare, Every, Filter, Kind, Like, Not, Operator, Present, Some, holds
from apps.nodes.models import Node, NodeBenchmark, Offer
from tests.cast import key_of_bee

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
NAMES = ["a", "b", "a.b", *MEAN[:6], "0", "é", "golem.runtime.name", "golem.inf.cpu.threads", "hive.region"]
TEXTS = st.one_of(
    st.sampled_from(["", "a", "B", "10", "9", "true", "1.2.3", "1.10", "eu-west", "null", *MEAN]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), st.integers(-2, 12)
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans())
VALUES = st.one_of(
    SCALARS, st.none(), st.lists(SCALARS | st.none(), max_size=3), st.dictionaries(TEXTS, SCALARS, max_size=2)
)
OFFERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


def _asked(kind: Kind) -> st.SearchStrategy[str]:
    numbers = NUMBERS.map(str).filter(lambda text: len(text) <= 64)
    versions = st.lists(st.integers(0, 20), min_size=1, max_size=4).map(
        lambda found: ".".join(map(str, found))
    )
    return {Kind.DECIMAL: numbers, Kind.VERSION: versions}.get(kind, st.one_of(TEXTS, numbers, versions))


def _compare(kind: Kind) -> st.SearchStrategy[Filter]:
    made = st.builds(
        Compare, st.sampled_from(NAMES), st.sampled_from(Operator), _asked(kind), kind=st.just(kind)
    )
    return made


PIECES = st.lists(TEXTS, min_size=2, max_size=4).map(tuple)
LEAVES = st.one_of(
    st.sampled_from(Kind).flatmap(_compare),
    st.builds(Like, st.sampled_from(NAMES), PIECES),
    st.builds(Present, st.sampled_from(NAMES)),
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(Every, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Some, st.lists(parts, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@pytest.fixture
def offer(make_node: Callable[..., Node], make_offer: Callable[..., Offer]) -> Offer:
    return make_offer(make_node(key_of_bee(1)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=FILTERS, properties=OFFERS, region=st.sampled_from(["", "eu-west", "a"]), fault=st.booleans())
def test_it_finds_what_holds(
    offer: Offer, tree: Filter, properties: dict[str, Any], region: str, fault: bool
) -> None:
    Offer.objects.filter(pk=offer.pk).update(properties=properties)
    Node.objects.filter(pk=offer.node_id).update(region=region, region_fault="far away" if fault else "")
    stored = Offer.objects.get(pk=offer.pk)
    assert Offer.objects.filter(to_q(tree)).exists() is holds(tree, properties_of(stored))
    assert Offer.objects.count() == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES[:3]), value=TEXTS | NUMBERS.map(str), pattern=st.booleans())
def test_it_asks_what_was_written(offer: Offer, name: str, value: str, pattern: bool) -> None:
    """From text on: what was escaped finds exactly the property that has it."""
    escaped = "".join(f"\\{byte:02x}" for byte in value.encode())
    Offer.objects.filter(pk=offer.pk).update(properties={name: value})
    text = f"({name}=*{escaped}*)" if pattern else f"({name}={escaped})"
    assert ids_meeting(text) == {offer.pk}
    Offer.objects.filter(pk=offer.pk).update(properties={name: f"{value}!"})
    assert ids_meeting(f"({name}={escaped})") == set()


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
