"""A signer that is a program of its own and speaks clef's JSON-RPC: honest at `/`, and lying in many ways.

Run as `python -m tests.billing.clef_of_tests <port> <private key>`. The path of the URL says how it behaves:
`/honest`, or one of `LIES` or `TROUBLES`; so one process shows them all.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

STRANGER = Account.from_key("0x" + "13" * 32)
FIELDS = ("nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "chainId")


def _to_another(unsigned: dict[str, Any]) -> None:
    unsigned["data"] = unsigned["data"][:34] + "13" * 20 + unsigned["data"][74:]


def _a_wei_more(unsigned: dict[str, Any]) -> None:
    unsigned["data"] = hex(int(unsigned["data"], 16) + 1)


def _coin_as_well(unsigned: dict[str, Any]) -> None:
    unsigned["value"] = 1


def _another_contract(unsigned: dict[str, Any]) -> None:
    unsigned["to"] = STRANGER.address


def _another_nonce(unsigned: dict[str, Any]) -> None:
    unsigned["nonce"] += 1


def _another_chain(unsigned: dict[str, Any]) -> None:
    unsigned["chainId"] = 1


def _dearer(unsigned: dict[str, Any]) -> None:
    unsigned["maxPriorityFeePerGas"] = unsigned["maxFeePerGas"]


def _with_access_list(unsigned: dict[str, Any]) -> None:
    unsigned["accessList"] = [{"address": STRANGER.address, "storageKeys": []}]


LIES = {
    "to-another": _to_another,
    "a-wei-more": _a_wei_more,
    "coin-as-well": _coin_as_well,
    "another-contract": _another_contract,
    "another-nonce": _another_nonce,
    "another-chain": _another_chain,
    "dearer": _dearer,
    "with-access-list": _with_access_list,
}
TROUBLES = ("another-key", "refuses", "silent", "nonsense", "fails", "empty", "old-kind")
STOPPED = threading.Event()


class Clef(BaseHTTPRequestHandler):
    key: LocalAccount

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        way = self.path.strip("/") or "honest"
        if way == "silent":
            STOPPED.wait()
            return
        if way == "fails":
            self._send(500, b"out of order")
        elif way == "nonsense":
            self._send(200, b"<html>hello</html>")
        else:
            told = {"jsonrpc": "2.0", "id": asked["id"], **self._answer(asked, way)}
            self._send(200, json.dumps(told).encode())

    def _answer(self, asked: dict[str, Any], way: str) -> dict[str, Any]:
        if way == "refuses":
            return {"error": {"code": -32000, "message": "Request denied"}}
        if way == "empty":
            return {"result": None}
        if asked["method"] == "account_list":
            return {"result": [self.key.address]}
        if asked["method"] != "account_signTransaction":
            return {"error": {"code": -32601, "message": "the method does not exist"}}
        [wanted] = asked["params"]
        assert wanted["from"] == self.key.address
        return {"result": self._signed(wanted, way)}

    def _signed(self, wanted: dict[str, str], way: str) -> dict[str, Any]:
        unsigned: dict[str, Any] = {name: int(wanted[name], 16) for name in FIELDS}
        unsigned |= {"to": wanted["to"], "data": wanted["data"], "type": 2}
        if way == "old-kind":
            unsigned["gasPrice"] = unsigned.pop("maxFeePerGas")
            del unsigned["maxPriorityFeePerGas"], unsigned["type"]
        LIES.get(way, lambda _: None)(unsigned)
        raw = (STRANGER if way == "another-key" else self.key).sign_transaction(unsigned).raw_transaction
        return {"raw": "0x" + bytes(raw).hex(), "tx": wanted}

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """It keeps quiet."""


if __name__ == "__main__":
    Clef.key = Account.from_key(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Clef)
    server.daemon_threads = True
    server.serve_forever()
