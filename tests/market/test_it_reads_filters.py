"""Golem's filter language: what is read, what is refused and where, and what a filter means."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.market.filters.advice import advice_on
from apps.market.filters.parse import parse, together
from apps.market.filters.problems import FilterError
from apps.market.filters.tree import Compare, Every, Kind, Like, Not, Operator, Present, Some, holds

OFFER: dict[str, Any] = {
    "golem.inf.mem.gib": 10.612468048930168,
    "golem.inf.cpu.threads": 7,
    "golem.runtime.name": "vm",
    "golem.runtime.version": "0.10.3",
    "golem.runtime.capabilities": ["vpn", "inet", "start-entrypoint"],
    "golem.com.pricing.model.linear.coeffs": ["0.001", "0.002", "0"],
    "golem.!exp.gap-35.v1.inf.gpu.cuda.enabled": True,
    "hive.com.egress-gib-glm": "0.05",
    "hive.inf.gpu": [{"name": "A100"}],
    "hive.nothing": None,
    "hive.motto": "50 % (or more) *really*",
    "hive.major": "1",
}

MEANINGS = [
    ("(golem.inf.mem.gib>=10.612468048930168)", True),
    ("(golem.inf.mem.gib>10.612468048930168)", False),
    ("(golem.inf.mem.gib>=9)", True),
    ("(golem.inf.cpu.threads=7.0)", True),
    ("(golem.inf.cpu.threads<=1e999)", True),
    ("(golem.inf.cpu.threads>=many)", False),
    ("(golem.runtime.name=v*)", True),
    ("(golem.runtime.name=V*)", False),
    ("(golem.runtime.name<w)", True),
    ("(golem.runtime.version>=0.9)", False),
    ("(golem.runtime.version$v>=0.9)", True),
    ("(golem.runtime.version$v=0.10.3)", True),
    ("(golem.runtime.version$v<0.10.3.1)", True),
    ("(golem.runtime.capabilities=inet)", True),
    ("(golem.runtime.capabilities=start-*)", True),
    ("(golem.runtime.capabilities!=inet)", False),
    ("(golem.runtime.capabilities>=inet)", False),
    ("(golem.!exp.gap-35.v1.inf.gpu.cuda.enabled=true)", True),
    ("(hive.com.egress-gib-glm<=0.1)", True),
    ("(hive.com.egress-gib-glm$d<=1e-1)", True),
    ("(hive.inf.gpu=*)", True),
    ("(hive.inf.gpu=A100)", False),
    (r"(hive.motto=50 % \28or more\29 \2areally\2a)", True),
    ("(hive.motto=5_ %*)", False),
    ("(hive.nothing=*)", False),
    ("(!(hive.nothing=*))", True),
    ("(|)", False),
    ("(hive.major$v=1.0.0.0)", True),
    ("(hive.major$d=1.0)", True),
    ("(hive.major=1.0)", False),
    ("(golem.com.pricing.model.linear.coeffs$d>=0)", False),
    ("(!(golem.com.pricing.model.linear.coeffs$d>=0))", False),
    ("(hive.motto<~)", True),
    ("(hive.motto>A)", False),
]
"""Filters, and whether they hold for `OFFER`."""


def test_it_reads_what_yapapi_writes() -> None:
    text = (
        "(&(golem.com.pricing.model=linear)\n\t(&(golem.inf.mem.gib>=0.5)\n\t(golem.runtime.name=vm))"
        "\n\t(golem.com.payment.platform.erc20-holesky-tglm.address=*))"
    )
    assert parse(text) == Every(
        (
            Compare("golem.com.pricing.model", Operator.EQUAL, "linear"),
            Every(
                (
                    Compare("golem.inf.mem.gib", Operator.AT_LEAST, "0.5"),
                    Compare("golem.runtime.name", Operator.EQUAL, "vm"),
                )
            ),
            Present("golem.com.payment.platform.erc20-holesky-tglm.address"),
        )
    )


def test_it_reads_either_and_not_and_patterns() -> None:
    text = "( & (|(hive.region=eu-*)(hive.region= us-*-1 )) (!(golem.runtime.name=wasm)) )"
    eu, us = Like("hive.region", ("eu-", "")), Like("hive.region", ("us-", "-1"))
    not_wasm = Not(Compare("golem.runtime.name", Operator.EQUAL, "wasm"))
    assert parse(text) == Every((Some((eu, us)), not_wasm))


@pytest.mark.parametrize("text", ["", "  ", "()", "( )", "(&)"])
def test_it_asks_for_nothing_with_nothing(text: str) -> None:
    assert parse(text) == Every(())
    assert holds(parse(text), {})


@pytest.mark.parametrize("text", ["(golem.runtime.name!=wasm)", "(golem.runtime.name<>wasm)"])
def test_it_reads_unequal_as_not_equal(text: str) -> None:
    assert parse(text) == Not(Compare("golem.runtime.name", Operator.EQUAL, "wasm"))


def test_it_reads_names_with_exclamation_marks() -> None:
    name = "golem.!exp.gap-35.v1.inf.gpu.model"
    assert parse(f"({name}=*A100*)") == Like(name, ("", "A100", ""))
    assert parse(f"({name}!=A100)") == Not(Compare(name, Operator.EQUAL, "A100"))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"a\2ab", "a*b"),
        (r"\28\29\5c", "()\\"),
        (r"Lu\c4\8di\c4\87", "Lučić"),
        (r"\20 blanks \20", "  blanks  "),
        ("", ""),
        ("č", "č"),
        ("' OR 1=1 --", "' OR 1=1 --"),
    ],
)
def test_it_reads_escapes(written: str, value: str) -> None:
    assert parse(f"(p={written})") == Compare("p", Operator.EQUAL, value)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("a=1", 1, 'expected "("'),
        ("(a=1", 5, 'expected ")", found the end'),
        ("(&(a=1)", 8, 'expected "(" or ")", found the end'),
        ("(a)", 3, 'expected one of = != >= <= > <, found ")"'),
        ("(a>=)", 5, "expected a value"),
        ("(=3)", 2, "the name of a property"),
        ("(a=(b))", 4, 'expected ")" or a value, found "("'),
        ("(a=1)(b=2)", 6, 'expected the end, found "("'),
        ("(!(a=1)(b=2))", 8, 'expected ")", found "("'),
        ("(a=>4)", 3, "write >="),
        ("(a==4)", 3, "write ="),
        ("(a~=4)", 3, "~= is not Golem's"),
        ("(a>=4*)", 6, "a wildcard goes with = only"),
        (r"(a=b\2)", 6, "two hexadecimal digits"),
        (r"(a=\ff)", 4, "is no text"),
        (r"(a=b\00)", 5, "the character 0"),
        ("(a=b\0)", 5, "the character 0"),
        ("(a=\ud800)", 4, "half a character"),
        ("(a[x]=1)", 3, "aspects"),
        ("(a$t=1)", 3, "expected $d for a number or $v for a version"),
        ("(a$d=x)", 6, "expected a number"),
        ("(a$v>=new)", 7, "expected a version"),
        ("(a$v=1.*)", 6, "leave the wildcard"),
        ("(a=" + "9" * 65 + ")", 4, "at most 64 characters"),
        ("(!" * 17 + "(a=1)" + ")" * 17, 33, "nested deeper than 16"),
        ("(&" + "(a=1)" * 100 + ")", 498, "more than 100 brackets"),
        ("(a=" + "x" * 4096 + ")", 4097, "at most 4096 characters"),
        ("(a=" + "*x" * 17 + ")", 4, "at most 16 wildcards"),
        ("(" + "x" * 201 + "=1)", 2, "a name of at most 200"),
    ],
)
def test_it_names_the_position_of_what_is_wrong(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.position == position
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"at position {position}: ")


SCRAPS = st.sampled_from(
    ["(", ")", "&", "|", "!", "=", ">", "<", "~", "*", "\\", "\\2a", "$v", "[x]", " ", "a.b", "1", "é"]
)


@given(st.one_of(st.lists(SCRAPS, max_size=25).map("".join), st.text(max_size=20)))
def test_it_reads_any_text_or_says_where_not(text: str) -> None:
    for whole in (text, f"({text})", f"(a={text})"):
        try:
            tree = parse(whole)
        except FilterError as error:
            assert 1 <= error.position <= len(whole) + 1
        else:
            assert holds(tree, {}) in (True, False)


def test_it_points_at_the_place() -> None:
    with pytest.raises(FilterError) as caught:
        parse("(&(golem.runtime.name=vm)(golem.inf.mem.gib))")
    assert "(golem.inf.mem.gib <-- here ))" in str(caught.value)


@pytest.mark.parametrize(("text", "meets"), MEANINGS)
def test_it_compares_by_the_type_of_the_property(text: str, meets: bool) -> None:
    assert holds(parse(text), OFFER) is meets


@pytest.mark.parametrize("text", ["(not.there=1)", "(!(not.there=1))", "(not.there!=1)", "(hive.nothing!=x)"])
def test_it_knows_neither_of_a_property_that_is_not_there(text: str) -> None:
    assert not holds(parse(text), OFFER)
    assert holds(parse(f"(|{text}(golem.runtime.name=vm))"), OFFER)
    assert not holds(parse(f"(&{text}(golem.runtime.name=vm))"), OFFER)


def test_it_compares_prices_to_the_last_digit() -> None:
    price = {"hive.price.second": Decimal("0.000000000000000001")}
    assert holds(parse("(hive.price.second<=0.000000000000000001)"), price)
    assert not holds(parse("(hive.price.second<0.000000000000000001)"), price)


def test_it_joins_filters() -> None:
    assert together([]) == ""
    assert together([" (a=1) "]) == "(a=1)"
    assert parse(together(["(a=1)", "", "(|(b=2))"])) == Every((parse("(a=1)"), parse("(|(b=2))")))


def test_it_tells_slips_of_the_pen() -> None:
    advice = advice_on(parse("(&(golem.inf.men.gib>=4)(golem.runtime.version>=0.9)(my.own=1))"))
    assert advice == [
        "no offer is known to say golem.inf.men.gib; did you mean golem.inf.mem.gib?",
        "golem.runtime.version is compared as text, where 0.10 comes before 0.9: "
        "write golem.runtime.version$v",
    ]
    assert advice_on(parse("(golem.runtime.version$v>=0.9)")) == []


def test_it_reads_kinds() -> None:
    assert parse("(a$d>=1)") == Compare("a", Operator.AT_LEAST, "1", Kind.DECIMAL)
