"""A double of the Hive, for what a live one can't be made to do on demand. It answers as the API does."""

from __future__ import annotations

import json
from typing import Any

import httpx

from hive_client import Hive
from hive_client.config import Login

Answer = tuple[int, Any] | BaseException


class DoubleOfTheHive:
    """Answers each (method, path) with what was laid out, the last answer for ever; notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.params: list[list[tuple[str, str]]] = []
        self.tokens: set[str] = set()
        self._answers: dict[tuple[str, str], list[Answer]] = {}

    def answers(self, method: str, path: str, *answers: Answer) -> None:
        self._answers[method, f"/api/v1/{path}"] = list(answers)

    @property
    def transport(self) -> httpx.BaseTransport:
        return httpx.MockTransport(self._handle)

    def open(self, login: Login) -> Hive:
        return Hive(login.url, login.token, transport=self.transport)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        self.params.append(request.url.params.multi_items())
        self.tokens.add(request.headers.get("authorization", ""))
        answers = self._answers[request.method, request.url.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        status, said = answer
        return httpx.Response(status, json=said)


def refusal(status: int, code: str, message: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"code": code, "message": message, **more}}


def page(*rows: Any, more: bool = False) -> tuple[int, dict[str, Any]]:
    return 200, {
        "count": len(rows),
        "next": "there is more" if more else None,
        "previous": None,
        "results": rows,
    }


def deployment(**fields: Any) -> dict[str, Any]:
    web = {
        "name": "web",
        "image": "hive/hello:1",
        "replicas_wanted": 3,
        "replicas_healthy": 3,
        "replicas_failed": 0,
    }
    web["url"] = "http://web.hello.bakery.localhost:8080"
    given = {
        "id": "8b6b3c3e-0000-4000-8000-000000000001",
        "name": "hello",
        "team": "bakery",
        "wanted": "running",
        "status": "healthy",
        "reason": "",
        "services": [web],
        "price_per_hour_glm": "0.012345678901234567",
        "created_at": "2026-01-01T12:00:00Z",
    }
    return given | fields


def plan(**fields: Any) -> dict[str, Any]:
    placements = [
        {"replica": "web-1", "node_id": "0x" + "1" * 40, "node_name": "anna", "price_per_hour_glm": "0.004"},
        {
            "replica": "web-2",
            "node_id": None,
            "price_per_hour_glm": None,
            "reason": "no bee offers 64 CPU threads",
        },
    ]
    given = {
        "id": "8b6b3c3e-0000-4000-8000-000000000002",
        "team": "bakery",
        "name": "hello",
        "placements": placements,
        "price_per_hour_glm": "0.004",
        "available_glm": "10",
        "runway_h": "2500",
        "created_at": "2026-01-01T12:00:00Z",
        "expires_at": "2026-01-01T12:10:00Z",
    }
    return given | fields


def plan_row(**fields: Any) -> dict[str, Any]:
    """As `GET /plans/` lists it."""
    given = {
        "id": "8b6b3c3e-0000-4000-8000-000000000002",
        "team": "bakery",
        "author": "olga",
        "name": "hello",
        "deployment": None,
        "replicas": 2,
        "unplaced": 1,
        "price_per_hour_glm": "0.004",
        "price_per_month_glm": "2.92",
        "created_at": "2026-01-01T12:00:00Z",
        "expires_at": "2026-01-01T12:10:00Z",
        "applied_at": None,
    }
    return given | fields


def replica(**fields: Any) -> dict[str, Any]:
    given = {
        "name": "web-1",
        "service": "web",
        "generation": 1,
        "state": "healthy",
        "reason": "",
        "state_since": "2026-01-01T12:00:00Z",
        "node_id": "0x" + "1" * 40,
        "node_name": "anna",
        "price_per_hour_glm": "0.004",
    }
    return given | fields
