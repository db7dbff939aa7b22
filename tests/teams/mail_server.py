"""A mail server: a real one (aiosmtpd) on loopback, which keeps what it takes and refuses as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from ssl import SSLContext
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope


class MailServer:
    """`answers` are what it says to a recipient, or, for `DATA`, to every mail; else it takes what comes."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.answers: dict[str, str] = {}
        self.silent_for: dict[str, threading.Event] = {}
        self.port = 0

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Envelope, to: str, _options: Any
    ) -> str:
        if to in self.silent_for:
            await asyncio.get_running_loop().run_in_executor(None, self.silent_for[to].wait)
        if to in self.answers:
            return self.answers[to]
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=policy.default)
        self.taken.append((envelope.rcpt_tos, letter))
        return "250 OK"

    def to(self, address: str) -> EmailMessage:
        """The one mail that this address got."""
        [letter] = [letter for recipients, letter in self.taken if recipients == [address]]
        return letter


@contextmanager
def serving_mail(tls: SSLContext | None = None) -> Iterator[MailServer]:
    """With `tls` it takes mails after STARTTLS alone."""
    server, loop = MailServer(), asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            server, loop=loop, hostname="mail.test", tls_context=tls, require_starttls=tls is not None
        )

    listening = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0))
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        for silent in server.silent_for.values():
            silent.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
