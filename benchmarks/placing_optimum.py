"""The least total price at which the same replicas could be placed, by OR-Tools: a mixed integer program.

One variable for each service and node. What `apps/market` does as far as it goes is asked here of every
solution: nobody twice on a node, as even as possible over regions, at most so many on newcomers. Left out are
nodes that no optimum needs: when N replicas compete, and a service has N nodes of a kind that cost less, one
of those is free of all of them, and could be taken instead.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ortools.linear_solver import pywraplp

if TYPE_CHECKING:
    from apps.market.needs import Want
    from apps.market.placing.book import Book, Ints
    from apps.market.placing.listing import Listing
    from apps.market.placing.place import Placement

TIME_S = 300
GAP = 1e-4
"""The solver stops when it is that close to what it can prove."""


def least_total_glm(book: Book, wants: Sequence[Want]) -> float:
    """GLM an hour, of all together: what the solver proves that no placing can go below."""
    solver = pywraplp.Solver.CreateSolver("SCIP")
    on_node: dict[int, list[tuple[pywraplp.Variable, Ints]]] = defaultdict(list)
    replicas = sum(want.count for want in wants)
    for want in wants:
        _add(solver, book, want, replicas, on_node)
    for node, guests in on_node.items():
        _add_room(solver, book.free[node], guests)
    solver.Objective().SetMinimization()
    solver.SetTimeLimit(TIME_S * 1000)
    limits = pywraplp.MPSolverParameters()
    limits.SetDoubleParam(limits.RELATIVE_MIP_GAP, GAP)
    if solver.Solve(limits) not in (solver.OPTIMAL, solver.FEASIBLE):
        raise RuntimeError("OR-Tools found no way to place all of them")
    return float(solver.Objective().BestBound())


def check(book: Book, wants: Sequence[Want], placed: Sequence[Sequence[Placement]]) -> None:
    """Only what keeps to the same rules can be compared. Raises RuntimeError."""
    for want, found in zip(wants, placed, strict=True):
        chosen = [one.choice.offer for one in found if one.choice]
        most = Counter(_place(each, want.need.spread) for each in chosen).most_common(1)[0][1]
        new = sum(each.is_newcomer for each in chosen)
        if len(chosen) < want.count or most > _most_at_a_place(book, want) or new > _most_new(want):
            raise RuntimeError(f"{want.need.group} is not placed as OR-Tools has to place it")


def _place(listing: Listing, by: str) -> object:
    return {"node": listing.node_id, "owner": listing.owner_id, "region": listing.region}[by]


def _most_at_a_place(book: Book, want: Want) -> int:
    """As even as possible over all places that serve."""
    from apps.market.placing.conditions import eligible

    places = np.unique(book.level(want.need.spread)[eligible(book, want.need, book.free)])
    return -(-want.count // len(places))


def _most_new(want: Want) -> int:
    from apps.market.placing.standing import SHARE_OF_NEWCOMERS

    return max(1, want.count // SHARE_OF_NEWCOMERS)


def _add(
    solver: pywraplp.Solver,
    book: Book,
    want: Want,
    replicas: int,
    on_node: dict[int, list[tuple[pywraplp.Variable, Ints]]],
) -> None:
    from apps.market.placing.book import thousandths

    among = _worth_a_variable(book, want, replicas)
    prices, size = book.per_hour(want.need.cpu_threads)[among], thousandths(want.need.size)
    chosen = [solver.BoolVar("") for _ in among]
    for each, price, node in zip(chosen, prices.tolist(), book.node[among].tolist(), strict=True):
        solver.Objective().SetCoefficient(each, price)
        on_node[node].append((each, size))
    _sum(solver, chosen, want.count, want.count)
    new = [each for each, is_new in zip(chosen, book.is_newcomer[among], strict=True) if is_new]
    _sum(solver, new, 0, _most_new(want))
    places = defaultdict[int, list[pywraplp.Variable]](list)
    for each, place in zip(chosen, book.level(want.need.spread)[among].tolist(), strict=True):
        places[place].append(each)
    for there in places.values():
        _sum(solver, there, 0, _most_at_a_place(book, want))


def _worth_a_variable(book: Book, want: Want, replicas: int) -> Ints:
    from apps.market.placing.conditions import eligible
    from apps.market.placing.seating import one_a_node

    among = one_a_node(book, want.need, eligible(book, want.need, book.free))
    kind = book.is_newcomer[among].astype(np.int64)
    if want.need.spread == "region":
        kind = kind * len(book.regions) + book.region[among]
    keep = np.zeros(len(among), dtype=np.bool_)
    for each in np.unique(kind):
        of_kind = np.flatnonzero(kind == each)
        keep[of_kind[: _enough(book.owner[among[of_kind]], want, replicas)]] = True
    return among[keep]


def _enough(owners: Ints, want: Want, replicas: int) -> int:
    """How many of the cheapest: with owners apart, as many besides those of the siblings' owners."""
    if want.need.spread != "owner":
        return replicas
    seen = replicas
    while seen < len(owners):
        of_siblings = np.sort(np.bincount(owners[:seen]))[::-1][: want.count - 1].sum()
        if seen - of_siblings >= replicas:
            break
        seen += max(int(replicas - (seen - of_siblings)), 1)
    return seen


def _add_room(solver: pywraplp.Solver, free: Ints, guests: Sequence[tuple[pywraplp.Variable, Ints]]) -> None:
    for what, left in enumerate(free.tolist()):
        if sum(int(size[what]) for _, size in guests) > left:
            limit = solver.Constraint(0, left)
            for each, size in guests:
                limit.SetCoefficient(each, int(size[what]))


def _sum(solver: pywraplp.Solver, of: Sequence[pywraplp.Variable], least: int, most: int) -> None:
    limit = solver.Constraint(least, most)
    for each in of:
        limit.SetCoefficient(each, 1)
