"""Errors of the REST API: {"error": {"code", "message", "place"?, "problems"?}}, whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework.exceptions import APIException, ErrorDetail, NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from apps.billing.alerts.levels import AlertRefused
from apps.billing.invoicing.drawing import NothingToInvoice
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.wallets.proving import WalletTaken, WalletUnproven
from apps.billing.wallets.siwe import NotASignature
from apps.billing.wallets.withdrawing import WithdrawalRefused
from apps.deployments.applying import PlanExpired, PlanOvertaken, PlanRefused
from apps.deployments.keyed import KeyForbids
from apps.deployments.logs import LogUnavailable
from apps.deployments.manifest import ManifestError
from apps.deployments.plans.actual import NotApplied
from apps.teams.notices.managing import WebhookRefused
from apps.teams.states import StateError

log = logging.getLogger("hive.api")

REFUSALS: dict[type[Exception], tuple[int, str]] = {
    InsufficientFunds: (402, "insufficient_funds"),
    PlanExpired: (409, "plan_expired"),
    PlanOvertaken: (409, "plan_overtaken"),
    PlanRefused: (409, "plan_refused"),
    NotApplied: (409, "plan_not_applied"),
    WalletTaken: (409, "wallet_taken"),
    WalletUnproven: (409, "wallet_unproven"),
    WithdrawalRefused: (409, "withdrawal_refused"),
    NotASignature: (422, "not_a_signature"),
    NothingToInvoice: (409, "nothing_to_invoice"),
    LogUnavailable: (409, "no_log"),
    AlertRefused: (409, "alert_refused"),
    WebhookRefused: (409, "webhook_refused"),
    StateError: (409, "conflict"),
}
"""Errors of the rooms that users should know of -> HTTP status and code, the first that fits."""

CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found"}


def explain(error: Exception, context: dict[str, Any]) -> Response:
    """Django REST framework's exception handler."""
    if isinstance(error, ManifestError):
        return _answer(400, "manifest", str(error), problems=[_fault(problem) for problem in error.problems])
    if isinstance(error, KeyForbids):
        return _answer(422, "key_forbids", str(error), problems=[_fault(each) for each in error.problems])
    for kind, (status, code) in REFUSALS.items():
        if isinstance(error, kind):
            return _answer(status, code, str(error))
    if isinstance(error, Http404):
        error = NotFound(_missing(context))
    response = exception_handler(error, context)
    if response is None:
        return _broken(error, context)
    problems = list(_problems(response.data)) if isinstance(error, ValidationError) else []
    response.data = body(_code(error, response.status_code), _message(response.data, problems), problems)
    return response


def _missing(context: dict[str, Any]) -> str:
    """For the row an address names: foreign rows do not exist either, so both are told alike."""
    view = context["view"]
    noun = str(view.queryset.model._meta.verbose_name)
    return f"no {noun} {view.kwargs['pk']} within reach of your team"


def _answer(
    status: int, code: str, message: str, *, problems: list[dict[str, Any]] | None = None
) -> Response:
    set_rollback()
    return Response(body(code, message, problems or []), status)


def body(code: str, message: str, problems: list[dict[str, Any]]) -> dict[str, Any]:
    said: dict[str, Any] = {"code": code, "message": message}
    if problems:
        said |= {"place": problems[0]["place"], "problems": problems}
    return {"error": said}


def _fault(problem: Any) -> dict[str, Any]:
    return {"place": problem.place, "line": problem.line, "message": str(problem)}


def _code(error: Exception, status: int) -> str:
    if isinstance(error, APIException) and status not in CODES:
        return str(error.default_code)
    return CODES[status]


def _message(data: Any, problems: list[dict[str, Any]]) -> str:
    return "\n".join(problem["message"] for problem in problems) or str(data["detail"])


def _problems(detail: Any, place: str = "") -> Iterator[dict[str, Any]]:
    """A serializer's nested errors, one flat line each: `replicas.web: A valid integer is required.`"""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _problems(
                inner, place if name == "non_field_errors" else f"{place}.{name}".lstrip(".")
            )
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _problems(inner, place if isinstance(inner, ErrorDetail) else f"{place}[{index}]")
    else:
        yield {"place": place, "message": f"{place}: {detail}" if place else str(detail)}


def _broken(error: Exception, context: dict[str, Any]) -> Response:
    """A fault of ours: logged with all there is, told with as little as possible."""
    request = context["request"]
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    got_request_exception.send(sender=None, request=request._request)
    return _answer(500, "internal", "the Hive failed on this; its log says why")
