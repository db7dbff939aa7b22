"""Requests that hold a NUL where no form or serializer looks: PostgreSQL stores none, so none is meant."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from hive_portal.explaining import body

NUL, ESCAPED = "\x00", "%00"
FOR_PROGRAMS = ("/api/", "/peers")


class ForgetNul:
    """Middleware, before sessions: a cookie with a NUL (written \\000, in quotes) is none of ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if any(NUL in value for value in request.COOKIES.values()):
            request.COOKIES = {name: value for name, value in request.COOKIES.items() if NUL not in value}
        return self.get_response(request)


class RefuseNul:
    """Middleware: a 400 for programs, a page that is not there for people; no view asks the database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        place = place_of_nul(request.path_info, str(request.META.get("QUERY_STRING", "")))
        if not place:
            return self.get_response(request)
        if not request.path_info.startswith(FOR_PROGRAMS):
            raise Http404(f"{place}: there is a NUL in it")
        message = f"{place}: there is a NUL in it (%00), which nothing here has: leave it out"
        problem = {"place": place, "message": message}
        return JsonResponse(body("invalid", message, [problem]), status=400)


def place_of_nul(path: str, query: str) -> str:
    """Of a decoded path and a query as it was sent: where a NUL is, "" where none is."""
    if NUL in path:
        return "path"
    return "query" if ESCAPED in query or NUL in query else ""
