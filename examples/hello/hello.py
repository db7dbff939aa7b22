"""A web server that says which replica answered. Standard library only, so that any Bee can run it."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHO = {
    "replica": os.environ.get("HIVE_REPLICA", "nobody"),
    "generation": int(os.environ.get("HIVE_GENERATION", "0")),
    "node": os.environ.get("HIVE_NODE", "nowhere"),
    "greeting": os.environ.get("GREETING", "Hello"),
}


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Head and body in one segment: two would wait 40 ms for a delayed ACK.

    def do_GET(self) -> None:
        body = json.dumps(WHO | {"path": self.path}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        if self.path != "/health":
            print(f"{self.address_string()} {format % args}", flush=True)


def main() -> None:
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Hello)
    # shutdown() waits for serve_forever() to end, so it can't be called from the handler's own thread.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{WHO['replica']} listens on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
