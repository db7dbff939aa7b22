"""The page of daily proofs: a summary for everybody who is signed in, each difference for operators."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from apps.billing.chain.daily_proofs import DailyProof
from apps.billing.chain.networks import network_of
from apps.billing.chain.treasuries import treasuries
from apps.billing.treasury.gas import gas_book

DAYS_A_PAGE = 31


@login_required
def proofs(request: HttpRequest) -> HttpResponse:
    page = Paginator(DailyProof.objects.all(), DAYS_A_PAGE).get_page(request.GET.get("page"))
    network = network_of(settings.HIVE_CHAIN_ID)
    context = {
        "page": page,
        "wallets": treasuries(),
        "network": network.name if network else f"chain {settings.HIVE_CHAIN_ID}",
        "is_operator": _may_operate(request),
        "gas": gas_book() if _may_operate(request) else None,
    }
    return render(request, "billing/proofs.html", context)


@login_required
def proofs_file(request: HttpRequest) -> HttpResponse:
    """All of them as JSON; operators get the differences in detail."""
    detailed = _may_operate(request)
    told = [proof.as_json(with_lines=detailed) for proof in DailyProof.objects.all()]
    answer = JsonResponse({"proofs": told})
    answer["Content-Disposition"] = 'attachment; filename="daily-proofs.json"'
    return answer


def _may_operate(request: HttpRequest) -> bool:
    return bool(request.user.is_staff and request.user.has_perm("billing.view_dailyproof"))
