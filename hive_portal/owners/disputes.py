"""Pages of disputes: the owner of the Bee and operators talk about a difference, and end it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from apps.billing.providers.disputes import MOST_LETTERS, Dispute, DisputeState
from apps.billing.providers.disputing import accept_figure, answer, decide, object_to
from apps.nodes.reach import own_nodes
from apps.teams.states import StateError

PAGE = 50
OPEN_FIRST = Case(
    When(state=DisputeState.ESCALATED, then=Value(0)),
    When(state=DisputeState.WITH_HIVE, then=Value(1)),
    When(state=DisputeState.WITH_OWNER, then=Value(2)),
    default=Value(3),
    output_field=IntegerField(),
)


class MessageForm(forms.Form):
    text = forms.CharField(max_length=MOST_LETTERS)


class AcceptForm(forms.Form):
    gives_up_glm = forms.DecimalField(min_value=0, max_digits=38, decimal_places=18)


class AnswerForm(MessageForm):
    figure_glm = forms.DecimalField(min_value=0, max_digits=38, decimal_places=18, required=False)
    final = forms.BooleanField(required=False)


def reachable_disputes(request: Any) -> QuerySet[Dispute]:
    """Over their own Bees; all of them for operators."""
    return (
        Dispute.objects.filter(agreement__node__in=own_nodes(request))
        .select_related("agreement__node__owner", "agreement__team", "note")
        .order_by(OPEN_FIRST, "-opened_at")
    )


def may_answer(user: Any) -> bool:
    """Whether this person speaks for the Hive: a member of staff who may change disputes."""
    return bool(user.is_staff and user.has_perm("billing.change_dispute"))


def is_owner(user: Any, dispute: Dispute) -> bool:
    return bool(dispute.agreement.node.owner_id == user.pk)


@login_required
def index(request: HttpRequest) -> HttpResponse:
    page = Paginator(reachable_disputes(request), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "answers": may_answer(request.user)}
    return render(request, "owners/disputes.html", context)


@login_required
def detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _page(request, get_object_or_404(reachable_disputes(request), pk=pk))


@login_required
@require_POST
def say(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The owner objects, or says more."""
    dispute = get_object_or_404(_of_owner(request), pk=pk)
    form = MessageForm(request.POST)
    return _do(request, dispute, form, lambda said: object_to(dispute, user=request.user, text=said["text"]))


@login_required
@require_POST
def accept(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The owner takes the Hive's figure."""
    dispute = get_object_or_404(_of_owner(request), pk=pk)
    form = AcceptForm(request.POST)
    return _do(
        request,
        dispute,
        form,
        lambda said: accept_figure(dispute, user=request.user, gives_up_glm=said["gives_up_glm"]),
    )


@login_required
@require_POST
def reply(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """An operator answers, offers, or decides."""
    disputes = reachable_disputes(request)
    dispute = get_object_or_404(disputes if may_answer(request.user) else disputes.none(), pk=pk)
    form = AnswerForm(request.POST)
    return _do(request, dispute, form, lambda said: _reply(dispute, request.user, **said))


def _reply(dispute: Dispute, user: Any, *, text: str, figure_glm: Decimal | None, final: bool) -> None:
    if final:
        figure = dispute.hive_glm if figure_glm is None else figure_glm
        decide(dispute, user=user, figure_glm=figure, text=text)
    else:
        answer(dispute, user=user, text=text, figure_glm=figure_glm)


def _of_owner(request: HttpRequest) -> QuerySet[Dispute]:
    return reachable_disputes(request).filter(agreement__node__owner=request.user.pk)


def _do(
    request: HttpRequest, dispute: Dispute, form: forms.Form, verb: Callable[[dict[str, Any]], object]
) -> HttpResponse:
    """Call the verb with what the form says; a refusal is told on the same page, with what was typed."""
    if not form.is_valid():
        return _page(request, dispute, form=form, status=422)
    try:
        verb(form.cleaned_data)
    except (ValueError, StateError) as error:
        messages.error(request, str(error))
        return _page(request, get_object_or_404(reachable_disputes(request), pk=dispute.pk), form=form)
    return redirect("bees:dispute", pk=dispute.pk)


def _page(request: HttpRequest, dispute: Dispute, *, status: int = 200, **extra: Any) -> HttpResponse:
    context = {
        "dispute": dispute,
        "said": dispute.messages.select_related("author"),
        "owns": is_owner(request.user, dispute),
        "answers": may_answer(request.user),
        "most_letters": MOST_LETTERS,
    }
    return render(request, "owners/dispute.html", context | extra, status=status)
