"""What the owner asks now, and the least that is taken: the policies of `[prices]` in bee.toml, all pure.

Policy "cost". What the machine costs in an hour in which something runs goes into the price of a second, all
of it, since one small agreement may be alone on the machine; what a busy thread draws on top goes into the
price of a second of CPU time. So an agreement that is held to both covers its cost, however short, small or
idle it is, and whatever runs beside it is gain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from agent.config import Config, Costs, Prices, Rent, scaled
from agent.price import SECONDS_PER_HOUR, Price
from agent.protocol import Terms
from agent.rules.hours import hours_a_day

NOTABLE = Decimal("0.05")
"""An offer whose price is off by this part is made anew."""
DAYS_PER_YEAR = Decimal("365.25")
_WATTS_PER_KW = Decimal(1000)
_WEI = Decimal(1).scaleb(-18)
_UP = Context(prec=78, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Pricing:
    asked: Price
    lowest: Price
    """Part by part: less is refused."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """One term of the sum, in the owner's currency."""

    what: str
    how: str
    """The term as people reckon it."""
    per_hour: Decimal


@dataclass(frozen=True, slots=True)
class CostSheet:
    running: tuple[CostLine, ...]
    """Of each hour in which something runs."""
    busy: tuple[CostLine, ...]
    """Of each hour of CPU time."""

    @property
    def running_per_hour(self) -> Decimal:
        return sum((line.per_hour for line in self.running), Decimal(0))

    @property
    def busy_per_hour(self) -> Decimal:
        return sum((line.per_hour for line in self.busy), Decimal(0))


def prices_now(config: Config, rented: Iterable[Terms], machine_threads: Decimal) -> Pricing:
    """`rented`: the agreements in force; `machine_threads`: those that are busy when all of them are."""
    prices = config.prices
    if prices.policy == "cost" and prices.cost:
        return by_cost(config, prices.cost, machine_threads)
    if prices.policy == "load":
        return by_load(prices, share_rented(config.rent, rented))
    return Pricing(prices.asked, prices.lowest)


# -- by load ----------------------------------------------------------------------------------------------


def share_rented(rent: Rent, rented: Iterable[Terms]) -> Decimal:
    """From 0 to 1: of threads or of memory, whichever is scarcer."""
    rented = list(rented)
    threads = sum((each.cpu_threads for each in rented), Decimal(0))
    mem_gib = sum((each.mem_gib for each in rented), Decimal(0))
    return min(Decimal(1), max(_share(threads, rent.threads), _share(mem_gib, rent.mem_gib)))


def by_load(prices: Prices, share: Decimal) -> Pricing:
    """In a straight line from the prices as written to `peak_percent` of them."""
    asked = scaled(prices.asked, 1 + share * (prices.peak_percent / 100 - 1))
    return Pricing(asked, scaled(asked, prices.lowest_percent / 100))


# -- by cost ----------------------------------------------------------------------------------------------


def by_cost(config: Config, costs: Costs, machine_threads: Decimal) -> Pricing:
    """Lowest is the cost itself, rounded up; start and egress stand as the owner wrote them."""
    sheet = cost_sheet(config.rent, costs, machine_threads)
    # The Hive may rate this much less than the Bee's own figure, and the Bee takes it.
    taken = 1 - config.rules.rated_tolerance_percent / 100
    lowest = _cost_price(sheet, config.prices, costs.glm_price * taken)
    margin = 1 + costs.margin_percent / 100
    return Pricing(_cost_price(sheet, config.prices, costs.glm_price * taken / margin), lowest)


def cost_sheet(rent: Rent, costs: Costs, machine_threads: Decimal) -> CostSheet:
    return CostSheet(
        running=(*_power_lines(rent, costs), _wear_line(rent, costs)),
        busy=(_work_line(costs, machine_threads),),
    )


def rented_hours(rent: Rent, costs: Costs) -> Decimal:
    """Of an average day: no more than it is for rent."""
    return min(costs.hours_per_day, offered_hours(rent))


def offered_hours(rent: Rent) -> Decimal:
    return Decimal(str(hours_a_day(rent.spans)))


def _power_lines(rent: Rent, costs: Costs) -> tuple[CostLine, CostLine]:
    per_kwh = costs.power_price_per_kwh
    on, waiting = "power to be on", "power while nothing runs"
    if costs.always_on:
        return CostLine(on, "it is on anyway", Decimal(0)), CostLine(waiting, "it is on anyway", Decimal(0))
    per_hour = costs.watts_idle / _WATTS_PER_KW * per_kwh
    rented, offered = rented_hours(rent, costs), offered_hours(rent)
    return (
        CostLine(on, f"{_n(costs.watts_idle)} W x {_n(per_kwh)} per kWh", per_hour),
        CostLine(
            waiting,
            f"the same for {_n(offered - rented)} h a day, carried by {_n(rented)} h",
            per_hour * (offered - rented) / rented,
        ),
    )


def _wear_line(rent: Rent, costs: Costs) -> CostLine:
    hours = rented_hours(rent, costs)
    years, price = costs.lifetime_years, costs.machine_price
    return CostLine(
        "wear of the machine",
        f"{_n(price)} over {_n(years)} years of {DAYS_PER_YEAR} days of {_n(hours)} h",
        price / (years * DAYS_PER_YEAR * hours),
    )


def _work_line(costs: Costs, machine_threads: Decimal) -> CostLine:
    """A thread's share of the way from idle to busy, or the first thread's if that is known to be more."""
    watts = (costs.watts_busy - costs.watts_idle) / machine_threads
    how = f"({_n(costs.watts_busy)} - {_n(costs.watts_idle)}) W / {_n(machine_threads)} threads"
    if costs.watts_one_thread is not None and costs.watts_one_thread - costs.watts_idle > watts:
        watts = costs.watts_one_thread - costs.watts_idle
        how = f"({_n(costs.watts_one_thread)} - {_n(costs.watts_idle)}) W of the first thread"
    per_kwh = costs.power_price_per_kwh
    return CostLine(
        "power of one busy thread", f"{how} x {_n(per_kwh)} per kWh", watts / _WATTS_PER_KW * per_kwh
    )


def _cost_price(sheet: CostSheet, prices: Prices, glm_price: Decimal) -> Price:
    return Price(
        start_glm=prices.start,
        second_glm=_up(sheet.running_per_hour / glm_price / SECONDS_PER_HOUR),
        cpu_second_glm=_up(sheet.busy_per_hour / glm_price / SECONDS_PER_HOUR),
        egress_gib_glm=prices.egress_gib,
    )


# -- comparing --------------------------------------------------------------------------------------------


def why_below(offered: Price, least: Price, cpu_threads: Decimal) -> str:
    """Why `offered` earns less than `least` for some use of these threads; empty when it never does.

    Both are straight lines in the CPU time used, so it is enough to look at an idle hour and at a busy one: a
    bargain may shift between the two as long as neither earns less.
    """
    idle, idle_least = _hour(offered, Decimal(0)), _hour(least, Decimal(0))
    busy, busy_least = _hour(offered, cpu_threads), _hour(least, cpu_threads)
    if busy < busy_least:
        return f"{busy:f} GLM an hour is below the owner's {busy_least:f}"
    if idle < idle_least:
        return f"{idle:f} GLM an hour without CPU time is below the owner's {idle_least:f}"
    if offered.start_glm < least.start_glm:
        return f"a start price of {offered.start_glm:f} GLM is below the owner's {least.start_glm:f}"
    if offered.egress_gib_glm < least.egress_gib_glm:
        return f"{offered.egress_gib_glm:f} GLM per GiB is below the owner's {least.egress_gib_glm:f}"
    return ""


def differs_notably(old: Price, new: Price) -> bool:
    """Whether an offer at the old price misleads."""
    pairs = (
        (old.start_glm, new.start_glm),
        (old.second_glm, new.second_glm),
        (old.cpu_second_glm, new.cpu_second_glm),
        (old.egress_gib_glm, new.egress_gib_glm),
    )
    return any(abs(after - before) > NOTABLE * before for before, after in pairs)


def _hour(price: Price, threads: Decimal) -> Decimal:
    amount = price.per_hour_glm(threads)
    return amount.normalize() if amount else Decimal(0)


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole else Decimal(1)


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(_WEI, context=_UP)


def _n(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"
