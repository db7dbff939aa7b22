"""JSON-RPC nodes that lie, lag, refuse or die: real servers before a real anvil, each with its fault."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import Settings

from tests.billing.chain_of_tests import Anvil

Fault = Callable[[dict[str, Any], Callable[[dict[str, Any]], dict[str, Any]]], dict[str, Any]]
"""(request, ask) -> answer; `ask` asks the anvil behind."""

OTHER_HASH = "0x" + "66" * 32


def honest(request: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    return ask(request)


class FaultyNode:
    """Attributes: url, asked (the methods it was asked, in order), fault (may be changed at any time), and
    together, what becomes of its answers when several questions came in one request.
    """

    def __init__(self, behind: str, fault: Fault = honest) -> None:
        self.behind, self.fault = behind, fault
        self.asked: list[str] = []
        self.together: Callable[[list[Any]], Any] = list
        self._server = self._listen(0)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/secret-key"

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def die(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def live_again(self) -> None:
        self._server = self._listen(self.port)

    def answer_all(self, asked: Any) -> Any:
        """A question, or several in one request."""
        if isinstance(asked, list):
            return self.together([self.answer(one) for one in asked])
        return self.answer(asked)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request["method"])
        return self.fault(request, self._ask)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(request).encode()
        asked = urllib.request.Request(self.behind, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _listen(self, port: int) -> ThreadingHTTPServer:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(node.answer_all(request)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Silent."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server


@pytest.fixture
def three(anvil: Anvil, settings: Settings) -> Iterator[list[FaultyNode]]:
    """Three nodes of one chain; the settings name them in this order."""
    nodes = [FaultyNode(anvil.url) for _ in range(3)]
    settings.HIVE_RPC_URL = ", ".join(node.url for node in nodes)
    yield nodes
    for node in nodes:
        node.die()


# -- faults -----------------------------------------------------------------------------------------------


def lags(blocks: int) -> Fault:
    """It is so many blocks behind, and answers as if that were all there is."""

    def fault(request: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        newest = int(ask({**request, "method": "eth_blockNumber", "params": []})["result"], 16) - blocks
        if request["method"] == "eth_blockNumber":
            return _said(request, hex(max(newest, 0)))
        if request["method"] == "eth_getBlockByNumber" and int(request["params"][0], 16) > newest:
            return _said(request, None)
        if request["method"] == "eth_getLogs":
            until = min(int(request["params"][0]["toBlock"], 16), newest)
            request = {**request, "params": [{**request["params"][0], "toBlock": hex(until)}]}
        return ask(request)

    return fault


def lies_about(method: str, twist: Callable[[Any], Any]) -> Fault:
    """All it says is true but this."""

    def fault(request: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        answer = ask(request)
        return _said(request, twist(answer["result"])) if request["method"] == method else answer

    return fault


def refuses_more_than(logs: int, blocks: int) -> Fault:
    """As public nodes do, each in words of its own."""

    def fault(request: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        if request["method"] != "eth_getLogs":
            return ask(request)
        query = request["params"][0]
        if int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1 > blocks:
            return _refused(request, f"block range is too wide, maximum is {blocks}")
        answer = ask(request)
        if len(answer["result"]) > logs:
            return _refused(request, f"query returned more than {logs} results")
        return answer

    return fault


def other_hash(block: Any) -> Any:
    return block and {**block, "hash": OTHER_HASH}


def _said(request: dict[str, Any], result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def _refused(request: dict[str, Any], words: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32005, "message": words}}
