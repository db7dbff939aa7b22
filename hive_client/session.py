"""One conversation with a Hive: JSON in, JSON out, refusals as `HiveError`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from hive_client.errors import HiveError
from hive_client.transport import RetryingTransport

TIMEOUT = httpx.Timeout(30, connect=5)


class Session:
    """`transport` replaces the network, for tests."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"User-Agent": f"golem-hive/{_version()}", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            base_url=_base_url(self.url),
            headers=headers,
            timeout=TIMEOUT,
            transport=RetryingTransport(transport or httpx.HTTPTransport()),
        )

    def get(self, path: str, **params: Any) -> Any:
        return self._send(
            "GET", path, params={name: value for name, value in params.items() if value is not None}
        )

    def download(self, path: str, **params: Any) -> bytes:
        """As it is, whatever it is."""
        known = {name: value for name, value in params.items() if value is not None}
        return self._ask("GET", path, params=known, headers={"Accept": "*/*"}).content

    def post(self, path: str, **body: Any) -> Any:
        return self._send(
            "POST", path, json={name: value for name, value in body.items() if value is not None}
        )

    def patch(self, path: str, **body: Any) -> Any:
        """Unlike in `post`, None is said: it takes away what there was."""
        return self._send("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """Every row of a list, fetching the next page when it is reached."""
        page = 1
        while True:
            answer = self.get(path, **params, page=page)
            yield from answer["results"]
            if not answer["next"]:
                return
            page += 1

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, path: str, **parts: Any) -> Any:
        response = self._ask(method, path, **parts)
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return response.json()
        except ValueError:
            raise HiveError(f"{self.url} is no Hive: it answered no JSON", code="not_a_hive") from None

    def _ask(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **parts)
        except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
            raise _unreachable(self.url, error) from None
        if not response.is_success:
            raise HiveError.from_response(response)
        return response


def _base_url(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        address = httpx.URL("")
    if address.scheme not in {"http", "https"} or not address.host:
        raise HiveError(f'"{url}" is no address: expected http://host:port or https://host', code="usage")
    return address.join("/api/v1/")


def _unreachable(url: str, error: Exception) -> HiveError:
    if isinstance(error, httpx.ConnectError):
        return HiveError(f"no Hive answers at {url}: is it running?", code="unreachable")
    if isinstance(error, httpx.TimeoutException):
        return HiveError(f"the Hive at {url} did not answer in time", code="unreachable")
    return HiveError(f"the connection to {url} broke: {error}", code="unreachable")


def _version() -> str:
    try:
        return version("golem-hive")
    except PackageNotFoundError:
        return "0"
