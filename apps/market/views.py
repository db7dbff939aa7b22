"""Pages of the market: the book with its prices over time, and how one node's prices changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from apps.market.board.depth import depth
from apps.market.board.lots import lets, lots, of_place, wanted
from apps.market.board.rows import Row, rows
from apps.market.clouds.compare import MOST_REPLICAS, compare, newest_rates
from apps.market.history.changes import price_changes
from apps.market.history.points import ALL
from apps.market.models import CloudPrice
from apps.market.needs import Need
from apps.nodes.reach import reachable_nodes

RUNTIME = "docker"
"""Of a replica that says nothing else."""


LEAST = Decimal("0.001")


def _size(label: str, *, initial: int) -> forms.DecimalField:
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.DecimalField(
        label=label, initial=initial, min_value=LEAST, max_digits=9, decimal_places=3, widget=widget
    )


class WhatForm(forms.Form):
    """What would so many replicas of one size cost?"""

    replicas = forms.IntegerField(min_value=1, max_value=MOST_REPLICAS, initial=3)
    cpu_threads = _size("CPU threads each", initial=2)
    mem_gib = _size("GiB each", initial=4)
    on = forms.ChoiceField(label="Runtime")

    def __init__(self, *args: Any, runtimes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["on"].choices = [(name, name) for name in runtimes]  # type: ignore[attr-defined]
        self.fields["on"].initial = RUNTIME if RUNTIME in runtimes else runtimes[0]


@login_required
def index(request: HttpRequest) -> HttpResponse:
    offered = lots()
    told = rows(offered, lets(), wanted())
    runtimes = sorted({row.runtime for row in told} - {ALL}) or [RUNTIME]
    row = _chosen(request, told)
    here = of_place(offered, runtime=row.runtime, region=row.region)
    context = {
        "lines": _lines(told),
        "total": told[-1],
        "chosen": row,
        "steps": depth(here),
        "clouds": list(CloudPrice.objects.all()),
        "rates": list(newest_rates().values()),
    }
    return render(request, "market/index.html", context | _calculation(request, runtimes))


@login_required
def node(request: HttpRequest, node_id: str) -> HttpResponse:
    found = get_object_or_404(reachable_nodes(request), pk=node_id.lower())
    return render(request, "market/node.html", {"node": found, "changes": price_changes(found)})


def _chosen(request: HttpRequest, told: list[Row]) -> Row:
    """What the address asks to look at; all of it, when that is not on the market."""
    asked = request.GET.get("runtime", ALL), request.GET.get("region", ALL)
    return next((row for row in told if (row.runtime, row.region) == asked), told[-1])


def _lines(told: list[Row]) -> list[tuple[Row, bool]]:
    """The rows of each runtime, and of which to tell the demands: those are of all regions.

    The sum of one region alone says its line again: it is left out.
    """
    lines = []
    for row in told:
        regions = sum(each.runtime == row.runtime and not each.is_total for each in told)
        if row.runtime != ALL and not (row.is_total and regions == 1):
            lines.append((row, row.is_total or regions == 1))
    return lines


def _calculation(request: HttpRequest, runtimes: list[str]) -> dict[str, Any]:
    if "replicas" not in request.GET:
        return {"form": WhatForm(runtimes=runtimes)}
    form = WhatForm(request.GET, runtimes=runtimes)
    if not form.is_valid():
        return {"form": form}
    size = {name: form.cleaned_data[name] for name in ("cpu_threads", "mem_gib")}
    need = Need(runtimes=[form.cleaned_data["on"]], **size)
    return {"form": form, "comparison": compare(need, replicas=form.cleaned_data["replicas"])}
