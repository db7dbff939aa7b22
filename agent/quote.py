"""What the machine has to earn, line by line, and whether the prices in bee.toml do: `hive agent quote`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from agent.config import Config, Costs
from agent.price import Price
from agent.pricing import CostLine, CostSheet, Pricing, by_cost, cost_sheet, prices_now


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An hour of some use: what it costs and pays, in GLM."""

    name: str
    cpu_threads: Decimal
    """Busy all the time."""
    cost_glm: Decimal
    asked_glm: Decimal
    bee_toml_glm: Decimal | None
    """At the least that bee.toml takes now, with nothing rented out; None without a bee.toml."""

    @property
    def loss_glm(self) -> Decimal:
        return max(
            Decimal(0), self.cost_glm - (self.cost_glm if self.bee_toml_glm is None else self.bee_toml_glm)
        )


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    costs: Costs
    sheet: CostSheet
    rated_tolerance_percent: Decimal
    by_cost: Pricing
    now: Pricing | None
    """What bee.toml comes to with nothing rented out; None without one."""
    policy: str
    """Of bee.toml; empty without one."""
    cases: list[Case]

    @property
    def loses(self) -> bool:
        """Whether bee.toml as it stands would take something at a loss."""
        return any(case.loss_glm for case in self.cases)


def quote(config: Config, costs: Costs, machine_threads: Decimal, *, is_written: bool) -> Quote:
    """`is_written`: `config` is that of a bee.toml; else it only says what would be for rent."""
    pricing = by_cost(config, costs, machine_threads)
    now = prices_now(config, [], machine_threads) if is_written else None
    uses = (
        ("an idle hour", Decimal(0)),
        ("an hour of one busy thread", Decimal(1)),
        (f"an hour with all {_plain(config.rent.threads)} threads busy", config.rent.threads),
    )
    return Quote(
        costs=costs,
        sheet=cost_sheet(config.rent, costs, machine_threads),
        rated_tolerance_percent=config.rules.rated_tolerance_percent,
        by_cost=pricing,
        now=now,
        policy=config.prices.policy if is_written else "",
        cases=[_case(name, threads, pricing, now) for name, threads in uses],
    )


def _case(name: str, threads: Decimal, pricing: Pricing, now: Pricing | None) -> Case:
    return Case(
        name=name,
        cpu_threads=threads,
        cost_glm=pricing.lowest.per_hour_glm(threads),
        asked_glm=pricing.asked.per_hour_glm(threads),
        bee_toml_glm=now.lowest.per_hour_glm(threads) if now else None,
    )


# -- as people read it ------------------------------------------------------------------------------------


def as_text(quote: Quote) -> str:
    costs, sheet = quote.costs, quote.sheet
    money = costs.currency
    return "\n".join(
        [
            f"What this machine costs, in {money}",
            *_sum("each hour in which something runs", sheet.running, sheet.running_per_hour),
            *_sum("each hour of CPU time", sheet.busy, sheet.busy_per_hour),
            "",
            f"Prices in GLM: 1 GLM is {_plain(costs.glm_price)} {money}, the Hive may rate "
            f"{_plain(quote.rated_tolerance_percent)} % less,",
            f"{_plain(costs.margin_percent)} % margin is asked on top",
            *_table(
                ["", "lowest", "asked"],
                [
                    ["a second", *_both(quote, "second_glm")],
                    ["a second of CPU time", *_both(quote, "cpu_second_glm")],
                    *([case.name, _glm(case.cost_glm), _glm(case.asked_glm)] for case in quote.cases),
                ],
            ),
            *_comparison(quote),
        ]
    )


def _sum(title: str, lines: Iterable[CostLine], total: Decimal) -> list[str]:
    rows = [[f"  {line.what}", line.how, _shown(line.per_hour, 6)] for line in lines]
    return [f"  {title}", *_table(["", "", ""], [*rows, ["  together", "", _shown(total, 6)]], left=2)[1:]]


def _comparison(quote: Quote) -> list[str]:
    if quote.now is None:
        return []
    rows = [
        [case.name, _glm(case.cost_glm), _glm(case.bee_toml_glm or Decimal(0)), _verdict(case)]
        for case in quote.cases
    ]
    heads = ["", "costs", "takes", ""]
    return ["", f'bee.toml now, policy "{quote.policy}"', *_table(heads, rows)]


def _verdict(case: Case) -> str:
    return f"a loss of {_glm(case.loss_glm)}" if case.loss_glm else "no loss"


def _both(quote: Quote, part: str) -> list[str]:
    return [_glm(getattr(price, part)) for price in (quote.by_cost.lowest, quote.by_cost.asked)]


def _table(heads: list[str], rows: list[list[str]], left: int = 1) -> list[str]:
    """The first `left` columns to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(row: list[str]) -> str:
        cells = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return ("  " + "  ".join(cells)).rstrip()

    return [line(heads), *map(line, rows)]


def _glm(amount: Decimal) -> str:
    return _shown(amount, 9)


def _shown(amount: Decimal, places: int) -> str:
    return f"{amount:.3e}" if 0 < amount < Decimal(1).scaleb(-places) else f"{amount:.{places}f}"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"


# -- as scripts read it -----------------------------------------------------------------------------------


def as_json(quote: Quote) -> dict[str, Any]:
    """Amounts are text: money is never a float."""
    return {
        "currency": quote.costs.currency,
        "costs": msgspec.to_builtins(quote.costs),
        "running_hour": _sum_as_json(quote.sheet.running, quote.sheet.running_per_hour),
        "busy_thread_hour": _sum_as_json(quote.sheet.busy, quote.sheet.busy_per_hour),
        "rated_tolerance_percent": _plain(quote.rated_tolerance_percent),
        "lowest": _price(quote.by_cost.lowest),
        "asked": _price(quote.by_cost.asked),
        "bee_toml": quote.now
        and {"policy": quote.policy, "asked": _price(quote.now.asked), "lowest": _price(quote.now.lowest)},
        "hours": [msgspec.to_builtins(case) | {"loss_glm": _plain(case.loss_glm)} for case in quote.cases],
        "loses": quote.loses,
    }


def _sum_as_json(lines: Iterable[CostLine], total: Decimal) -> dict[str, Any]:
    terms = [{"what": line.what, "how": line.how, "amount": _plain(line.per_hour)} for line in lines]
    return {"terms": terms, "together": _plain(total)}


def _price(price: Price) -> dict[str, str]:
    return {name: _plain(getattr(price, name)) for name in price.__struct_fields__}
