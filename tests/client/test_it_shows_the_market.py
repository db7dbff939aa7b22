"""`hive market`: the book, offers by a filter, and what the same would cost elsewhere."""

import json
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page, refusal


def row(runtime: str = "docker", region: str = "*", **fields: Any) -> dict[str, Any]:
    return {
        "runtime": runtime,
        "region": region,
        "offers": 2,
        "nodes": 2,
        "cpu_threads": "8.000",
        "cpu_threads_free": "6.000",
        "cpu_threads_let": "2.000",
        "mem_gib": "16.000",
        "mem_gib_free": "14.000",
        "agreements": 3,
        "demands": 1,
        "least_glm": "0.0072",
        "median_glm": "0.009",
        "mean_glm": "0.009",
        "paid_glm": None,
    } | fields


def cost(provider: str, currency: str, glm: str | None) -> dict[str, Any]:
    price = {
        "provider": provider,
        "product": "small",
        "region": "",
        "cpu_threads": "2.000",
        "mem_gib": "4.000",
    }
    price |= {"price_per_hour": "0.05", "currency": currency, "as_of": "2026-04-17", "source": "its list"}
    return {"price": price, "replicas": 3, "per_hour": "0.15", "per_month": "109.5", "per_hour_glm": glm}


@pytest.fixture
def book(double: DoubleOfTheHive) -> None:
    rows = [row(region="eu-west"), row(), row("wasm", offers=0, agreements=0, demands=0), row("*", nodes=2)]
    double.answers("GET", "market/summary/", (200, {"at": "2026-01-01T00:00:00Z", "rows": rows}))


def test_it_shows_the_book(hive: Run, book: None) -> None:
    lines = [line.split() for line in hive("market").stdout.splitlines()]
    assert [line[:2] for line in lines[1:]] == [["docker", "eu-west"], ["docker", "all"], ["all", "all"]]
    assert lines[1][2:] == ["2", "6", "of", "8", "14", "of", "16", "25", "%", "0.0072", "0.009", "-", "-"]
    assert lines[2][-1] == "1"


def test_it_shows_one_runtime_or_one_region(hive: Run, book: None) -> None:
    assert len(json.loads(hive("market", "--runtime", "docker", "-o", "json").stdout)) == 2
    (only,) = json.loads(hive("market", "--region", "eu-west", "-o", "json").stdout)
    assert (only["runtime"], only["least_glm"], only["paid_glm"]) == ("docker", "0.0072", None)


def test_it_says_when_nothing_is_left_or_nobody_offers(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "market/summary/", (200, {"rows": [row(least_glm=None)]}))
    assert "sold out" in hive("market").stdout
    nothing = row("*", offers=0, nodes=0, agreements=0, demands=0, cpu_threads="0", least_glm=None)
    double.answers("GET", "market/summary/", (200, {"rows": [nothing]}))
    assert "Nobody offers anything now." in hive("market").stderr


def test_it_lists_offers_by_a_filter(hive: Run, double: DoubleOfTheHive) -> None:
    sizes = {
        f"{what}{free}": "4.000"
        for what in ("cpu_threads", "mem_gib", "storage_gib")
        for free in ("", "_free")
    }
    prices = dict.fromkeys(("start_glm", "cpu_second_glm", "second_glm", "egress_gib_glm"), "0")
    offer = {"id": "1", "node": "0x" + "1" * 40, "node_name": "attic", "runtime": "docker", "region": ""}
    offer |= {"gpus": 1, "gpus_free": 0, "thread_hour_glm": "0.0108", "valid_until": "2026-01-01T00:00:00Z"}
    double.answers("GET", "market/offers/", page(offer | sizes | prices))

    told = hive("market", "--filter", "(golem.inf.mem.gib>=4)", "--runtime", "docker").stdout
    assert "attic" in told and "not known" in told and "0 of 1" in told and "0.0108" in told
    assert ("constraints", "(golem.inf.mem.gib>=4)") in double.params[-1]
    assert ("runtime", "docker") in double.params[-1]


def test_it_passes_on_what_is_wrong_with_a_filter(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers(
        "GET", "market/offers/", refusal(400, "invalid", "constraints: at position 2: expected a name")
    )
    failed = hive("market", "--filter", "(")
    assert failed.exit_code != 0
    assert "at position 2" in failed.stderr


def test_it_compares_with_clouds(hive: Run, double: DoubleOfTheHive) -> None:
    here = {"replicas": 3, "placed": 2, "per_hour_glm": "0.02", "per_month_glm": "14.6", "reason": "all full"}
    worth = {"currency": "USD", "as_of": "2026-11-01", "per_hour": "0.005", "per_month": "3.65"}
    there = [cost("Small", "USD", "0.6"), cost("Old", "EUR", None)]
    double.answers("GET", "market/compare/", (200, {"here": here, "worth": [worth], "there": there}))

    result = hive("market", "--cost", "3x2x4.5", "--runtime", "process")
    assert dict(double.params[-1]) == {
        "replicas": "3", "cpu_threads": "2", "mem_gib": "4.5", "runtime": "process"
    }  # fmt: skip
    ours, small, old = result.stdout.splitlines()[1:4]
    assert ours.startswith("this Hive") and "2 of 3 replicas" in ours and "14.6 GLM" in ours
    assert small.split() == ["Small", "3", "x", "small", "0.15", "USD", "109.5", "USD", "0.6", "2026-04-17"]
    assert old.split()[-2:] == ["-", "2026-04-17"]
    assert "about 0.005 USD an hour" in result.stdout
    assert "Only 2 of 3 would find a place now: all full." in result.stderr


@pytest.mark.parametrize("what", ["3", "3x2", "ax2x4", "3x-2x4", "3x2x4x5", "99999x1x1"])
def test_it_says_how_a_size_is_written(hive: Run, what: str) -> None:
    refused = hive("market", "--cost", what)
    assert refused.exit_code == 2
    assert "as 3x2x4" in refused.stderr


def test_it_shows_no_price_where_nothing_fits(hive: Run, double: DoubleOfTheHive) -> None:
    here = {"replicas": 3, "placed": 0, "per_hour_glm": "0", "per_month_glm": "0", "reason": "all full"}
    worth = {"currency": "USD", "as_of": "2026-11-01", "per_hour": "0", "per_month": "0"}
    double.answers("GET", "market/compare/", (200, {"here": here, "worth": [worth], "there": []}))
    result = hive("market", "--cost", "3x2x4")
    assert result.stdout.splitlines()[1].split() == ["this", "Hive", "3", "replicas", "–", "–", "–", "now"]
    assert "Here that is about" not in result.stdout
    assert "Only 0 of 3" in result.stderr


def test_it_says_what_there_is_instead(hive: Run, book: None) -> None:
    for asked in (("--runtime", "nonsense"), ("--region", "eu-central")):
        said = hive("market", *asked).stderr
        assert said == "Nobody offers this now. There are runtimes: docker; regions: eu-west.\n"


@pytest.mark.parametrize("other", [("--filter", "(a=1)"), ("--region", "eu-west")])
def test_it_ignores_nothing_beside_a_cost(hive: Run, other: tuple[str, str]) -> None:
    refused = hive("market", "--cost", "3x2x4", *other)
    assert refused.exit_code == 2
    assert "--cost looks at all regions and takes no filter" in refused.stderr
