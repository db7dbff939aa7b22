"""An offer whose properties, which filters read, say something else than its signed sizes and prices."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.conf import settings
from eth_account.signers.local import LocalAccount
from hypothesis import given
from hypothesis import strategies as st

from agent import hardware
from agent import machine as agent_machine
from agent.config import Config, Rent
from agent.offers import make_offers
from agent.protocol import Offer, Price
from apps.nodes.models import Node
from apps.nodes.models import Offer as Stored
from apps.nodes.offered_properties import MOST_BYTES, MOST_MEMBERS, fault_of_properties
from apps.nodes.offers import publish_offers
from tests.cast import signed_offer

D = Decimal
PRICE = Price(
    start_glm=D("0.01"), cpu_second_glm=D("0.000002"), second_glm=D("0.000001"), egress_gib_glm=D("0.5")
)
VECTOR = ["golem.usage.cpu_sec", "golem.usage.duration_sec"]
TRUE: dict[str, Any] = {
    "golem.runtime.name": "docker",
    "golem.inf.cpu.threads": 2.5,
    "golem.inf.mem.gib": 8,
    "golem.inf.storage.gib": "100.125",
    "golem.com.usage.vector": VECTOR,
    "golem.com.pricing.model.linear.coeffs": ["0.000002", 0.000001, "0.01"],
    "hive.com.egress-gib-glm": "0.5",
    "golem.inf.cpu.brand": "whatever",
}


def offer(**properties: Any) -> Offer:
    return Offer(
        offer_id="",
        runtime="docker",
        cpu_threads=D("2.5"),
        mem_gib=D(8),
        storage_gib=D("100.125"),
        price=PRICE,
        valid_s=60,
        issued_at_ms=0,
        signature="",
        properties=TRUE | properties,
    )


def test_a_list_has_few_members() -> None:
    flags = [f"flag{number}" for number in range(MOST_MEMBERS)]
    assert fault_of_properties(offer(**{"golem.inf.cpu.capabilities": flags})) is None
    fault = fault_of_properties(offer(**{"golem.inf.cpu.capabilities": [*flags, "one more"]}))
    assert fault == "golem.inf.cpu.capabilities: expected at most 256 members, got 257"


def test_it_takes_what_says_the_same_or_nothing() -> None:
    assert fault_of_properties(offer()) is None
    assert fault_of_properties(msgspec.structs.replace(offer(), properties={})) is None
    reordered = {"golem.com.usage.vector": VECTOR[::-1]}
    assert "coeffs" in str(fault_of_properties(offer(**reordered)))
    reordered["golem.com.pricing.model.linear.coeffs"] = [0.000001, 0.000002, 0.01]
    assert fault_of_properties(offer(**reordered)) is None


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("golem.inf.cpu.threads", 64),
        ("golem.inf.mem.gib", "8.001"),
        ("golem.inf.storage.gib", True),
        ("golem.inf.storage.gib", "NaN"),
        ("golem.inf.storage.gib", "1e999999999"),
        ("golem.inf.mem.gib", [8]),
        ("golem.runtime.name", "process"),
        ("golem.runtime.name", None),
        ("hive.com.egress-gib-glm", "0"),
        ("golem.com.pricing.model.linear.coeffs", ["0.000002", "0.000001", "0"]),
        ("golem.com.pricing.model.linear.coeffs", ["0", "0.000001", "0.01"]),
        ("golem.com.pricing.model.linear.coeffs", ["0.000001", "0.01"]),
        ("golem.com.pricing.model.linear.coeffs", "free"),
    ],
)
def test_it_names_the_property_that_says_something_else(name: str, lie: object) -> None:
    assert str(fault_of_properties(offer(**{name: lie}))).startswith(f"{name}: ")


def test_it_takes_no_price_for_what_it_does_not_know() -> None:
    vector = {"golem.com.usage.vector": [*VECTOR, "golem.usage.storage_gib"]}
    coefficients = {"golem.com.pricing.model.linear.coeffs": ["0.000002", "0.000001", "7", "0.01"]}
    assert "coeffs" in str(fault_of_properties(offer(**vector, **coefficients)))


def test_it_takes_no_book_for_properties() -> None:
    assert f"at most {MOST_BYTES} bytes" in str(fault_of_properties(offer(story="a" * MOST_BYTES)))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(set(TRUE) - {"golem.inf.cpu.brand"})), ANYTHING)
def test_whatever_a_property_holds_there_is_an_answer(name: str, value: object) -> None:
    said = fault_of_properties(offer(**{name: value}))
    assert (said is None) == (value == TRUE[name]) or _means(value) == _means(TRUE[name])


def _means(value: object) -> object:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return value


@pytest.mark.django_db
def test_what_a_bee_says_of_its_own_machine_stands(node: Node, bee_key: LocalAccount, tmp_path: Path) -> None:
    class SomeRuntime:
        name, version = "process", "1"

    rent = Rent(threads=D("0.5"), mem_gib=D("1.3"), storage_gib=D("17.7"))
    config = Config(url="http://q", name="attic", advertise="h", rent=rent, region="eu-central")
    machine = agent_machine.properties("attic", tmp_path, "eu-central") | hardware.cpu()
    offers = make_offers(
        runtimes=[SomeRuntime()],  # type: ignore[list-item]
        config=config,
        asked=PRICE,
        machine=machine,
        key=bee_key,
        chain_id=settings.HIVE_CHAIN_ID,
        now_ms=int(time.time() * 1000),
    )
    assert publish_offers(node_id=node.id, offers=offers) == []
    said = Stored.objects.get().properties
    names = {
        "golem.node.id.name": "attic",
        "hive.region": "eu-central",
        "golem.srv.caps.multi-activity": True,
    }
    assert {name: said[name] for name in names} == names
    assert said["golem.inf.cpu.architecture"] and said["golem.inf.storage.gib"] == 17.7


@pytest.mark.django_db
def test_a_contradiction_is_left_out_and_named(node: Node, bee_key: LocalAccount) -> None:
    lying = signed_offer(bee_key, properties={"golem.inf.mem.gib": 4096})
    [complaint] = publish_offers(node_id=node.id, offers=[lying])
    assert "golem.inf.mem.gib: says 4096, but 8 is signed" in complaint
    assert not Stored.objects.exists()


@pytest.mark.django_db
def test_properties_that_were_changed_on_the_way_are_not_what_was_signed(
    node: Node, bee_key: LocalAccount
) -> None:
    true = signed_offer(bee_key, properties={"golem.inf.cpu.brand": "a snail"})
    changed = msgspec.structs.replace(true, properties={"golem.inf.cpu.brand": "a hare"})
    [complaint] = publish_offers(node_id=node.id, offers=[changed])
    assert "not signed by" in complaint
    assert publish_offers(node_id=node.id, offers=[true]) == []
