"""`hive market`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import Comparison, CostHere, CostThere, MarketOffer, MarketRow
from hive_client.output import JSON, clean, glm, output_option, print_json, print_table, when

ALL = "*"
BOOK = ("Runtime", "Region", "nodes", "cpu free", "gib free", "let", "glm from", "median", "paid", "looking")
OFFERS = ("Node", "Runtime", "Region", "glm", "cpu free", "gib free", "gpus", "Until")
COSTS = ("Where", "What", "per hour", "per month", "glm/h, about", "List price of")


class What(NamedTuple):
    replicas: int
    cpu_threads: Decimal
    mem_gib: Decimal


class WhatType(click.ParamType):
    """`3x2x4`: three replicas of two CPU threads and four GiB each."""

    name = "replicas x CPU x GiB"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> What:
        parts = re.fullmatch(r"(\d{1,4})x(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", value)
        if parts is None:
            self.fail(f'expected replicas x CPU threads x GiB, as 3x2x4, got "{value}"', param, ctx)
        return What(int(parts[1]), Decimal(parts[2]), Decimal(parts[3]))


@click.command(
    epilog=examples(
        "hive market",
        "hive market --runtime docker",
        "hive market --filter '(&(golem.inf.mem.gib>=4)(hive.region=eu-*))'",
        "hive market --cost 3x2x4",
    )
)
@click.option("--runtime", metavar="NAME", help="Only this runtime.")
@click.option("--region", metavar="NAME", help="Only this region.")
@click.option("--filter", "constraints", metavar="TEXT", help="List offers by a filter in Golem's language.")
@click.option(
    "--cost", "what", type=WhatType(), metavar="NxCPUxGIB", help="What so many replicas would cost."
)
@output_option
def market(
    runtime: str | None, region: str | None, constraints: str | None, what: What | None, output: str
) -> None:
    """Show what is on offer, by runtime and region. Prices are GLM for one CPU thread, busy for an hour."""
    if what is not None and (constraints is not None or region is not None):
        raise click.UsageError(
            "--cost looks at all regions and takes no filter: leave --filter and --region out"
        )
    hive = connect()
    if what is not None:
        told = hive.market.compare(**what._asdict(), runtime=runtime or "docker")
        print_json(told) if output == JSON else _costs(told)
    elif constraints is not None:
        found = list(hive.market.offers(constraints=constraints, runtime=runtime, region=region))
        print_json(found) if output == JSON else _offers(found)
    else:
        whole = hive.market.book()
        book = [row for row in whole if _asked_for(row, runtime, region)]
        print_json(book) if output == JSON else _book(book, of=whole)


def _asked_for(row: MarketRow, runtime: str | None, region: str | None) -> bool:
    return runtime in (None, row.runtime) and region in (None, row.region)


def _book(rows: list[MarketRow], *, of: list[MarketRow]) -> None:
    offered = [row for row in rows if row.offers or row.agreements or row.demands]
    print_table(BOOK, [_row(row) for row in offered], empty=_what_there_is(of))


def _what_there_is(whole: list[MarketRow]) -> str:
    """Beside what was asked for."""
    runtimes = dict.fromkeys(row.runtime for row in whole if row.offers and row.runtime != ALL)
    regions = dict.fromkeys(row.region or "not known" for row in whole if row.offers and row.region != ALL)
    if not runtimes:
        return "Nobody offers anything now."
    there = f"runtimes: {', '.join(runtimes)}; regions: {', '.join(regions) or 'not known'}"
    return clean(f"Nobody offers this now. There are {there}.")


def _row(row: MarketRow) -> tuple[str, ...]:
    return (
        "all" if row.runtime == ALL else row.runtime,
        {ALL: "all", "": "not known"}.get(row.region, row.region),
        str(row.nodes),
        f"{glm(row.cpu_threads_free)} of {glm(row.cpu_threads)}",
        f"{glm(row.mem_gib_free)} of {glm(row.mem_gib)}",
        _share(row),
        "sold out" if row.offers and row.least_glm is None else glm(row.least_glm),
        glm(row.median_glm),
        glm(row.paid_glm),
        str(row.demands) if row.region == ALL else "-",
    )


def _share(row: MarketRow) -> str:
    """Of the threads on offer."""
    return (
        f"{min(100 * row.cpu_threads_let / row.cpu_threads, Decimal(100)):.0f} %" if row.cpu_threads else "-"
    )


def _offers(found: list[MarketOffer]) -> None:
    rows = [
        (
            each.node_name,
            each.runtime,
            each.region or "not known",
            glm(each.thread_hour_glm),
            f"{glm(each.cpu_threads_free)} of {glm(each.cpu_threads)}",
            f"{glm(each.mem_gib_free)} of {glm(each.mem_gib)}",
            f"{each.gpus_free} of {each.gpus}" if each.gpus else "-",
            when(each.valid_until),
        )
        for each in found
    ]
    print_table(OFFERS, rows, empty="No offer meets this.")


def _costs(told: Comparison) -> None:
    here = told.here
    print_table(COSTS, [_here(here), *(_there(each) for each in told.there)], empty="")
    if here.placed < here.replicas:
        click.echo(f"Only {here.placed} of {here.replicas} would find a place now: {here.reason}.", err=True)
    for worth in told.worth if here.placed else ():
        about = f"{glm(worth.per_hour)} {worth.currency} an hour, {glm(worth.per_month)} a month"
        click.echo(f"Here that is about {about}, by the rate of {worth.as_of}.")


def _here(cost: CostHere) -> tuple[str, ...]:
    """The price is that of those that find a place, and of nothing else."""
    what = f"{cost.replicas} replica{'s' if cost.replicas != 1 else ''}"
    if not cost.placed:
        return "this Hive", what, "–", "–", "–", "now"
    if cost.placed < cost.replicas:
        what = f"{cost.placed} of {what}"
    per_hour, per_month = glm(cost.per_hour_glm), glm(cost.per_month_glm)
    return "this Hive", what, f"{per_hour} GLM", f"{per_month} GLM", per_hour, "now"


def _there(cost: CostThere) -> tuple[str, ...]:
    price = cost.price
    return (
        price.provider,
        f"{cost.replicas} x {price.product}",
        f"{glm(cost.per_hour)} {price.currency}",
        f"{glm(cost.per_month)} {price.currency}",
        glm(cost.per_hour_glm),
        price.as_of,
    )
