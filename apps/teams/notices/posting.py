"""Sending one mail, or one signed request to a webhook, and what came back. Knows no database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from ssl import SSLContext

import httpx
from django.conf import settings
from django.core.mail import send_mail

from apps.teams.notices.models import MOST_LETTERS
from apps.teams.notices.reaching import Network, Unreachable, checked_url, reachable_addresses
from apps.teams.notices.refusing import refusal
from apps.teams.notices.threads import in_thread

TIME_S = 15.0
"""For all of a request: name, connection, handshake, answer. An answer that trickles in has no longer."""
MAIL_TIME_S = 60.0
"""For all of a mail: the server's name, its greetings, each of which has EMAIL_TIMEOUT, and its answer."""
MOST_ADDRESSES = 3
"""Tried of a host that has many."""

CONSOLE = "django.core.mail.backends.console.EmailBackend"
TAKEN, WRITTEN = "taken by the mail server", "written to the log: no mail server is set (HIVE_SMTP_HOST)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    address: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Of a webhook."""

    url: str
    headers: Mapping[str, str]
    body: str
    networks: Collection[Network]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`status` is HTTP's, None where none came; `text` is what was said, or what went wrong."""

    is_taken: bool
    text: str
    took_ms: int = 0
    status: int | None = None
    is_final: bool = False
    """It is refused for good: nobody who asks again hears anything else."""


async def send(letter: Mail | Call) -> Answer:
    """Never raises over what the other side does: that is the answer."""
    started = time.monotonic()
    answer = await (_mail(letter) if isinstance(letter, Mail) else _call(letter))
    took_ms = int((time.monotonic() - started) * 1000)
    text = answer.text.replace("\x00", "")[:MOST_LETTERS]
    return replace(answer, text=text, took_ms=took_ms)


async def _mail(mail: Mail) -> Answer:
    limit = asyncio.timeout(MAIL_TIME_S)
    try:
        async with limit:
            await in_thread(send_mail, mail.subject, mail.text, None, [mail.address])
    except (OSError, ValueError) as error:  # SMTPException is an OSError, BadHeaderError a ValueError
        if limit.expired():
            return Answer(is_taken=False, text=f"the mail server did not take it within {MAIL_TIME_S:g} s")
        said, is_final = refusal(error)
        return Answer(is_taken=False, text=f"the mail server did not take it: {said}", is_final=is_final)
    return Answer(is_taken=True, text=WRITTEN if settings.EMAIL_BACKEND == CONSOLE else TAKEN)


async def _call(call: Call) -> Answer:
    try:
        async with asyncio.timeout(TIME_S):
            return await _called(call)
    except TimeoutError:
        return Answer(is_taken=False, text=f"no whole answer within {TIME_S:g} s")
    except (Unreachable, ValueError) as error:
        return Answer(is_taken=False, text=str(error))
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer(is_taken=False, text=str(error) or type(error).__name__)


async def _called(call: Call) -> Answer:
    url = checked_url(call.url, networks=call.networks)
    addresses = (await reachable_addresses(url, networks=call.networks))[:MOST_ADDRESSES]
    timeout = httpx.Timeout(TIME_S, connect=TIME_S / MOST_ADDRESSES)
    async with httpx.AsyncClient(verify=_trusted(), trust_env=False, timeout=timeout) as client:
        for address in addresses[:-1]:
            try:
                return await _asked(client, url, address, call)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await _asked(client, url, addresses[-1], call)


async def _asked(client: httpx.AsyncClient, url: httpx.URL, address: str, call: Call) -> Answer:
    """To the address that was judged, under the host's own name: for the certificate and for its server."""
    headers = {**call.headers, "host": url.netloc.decode("ascii"), "accept-encoding": "identity"}
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        headers=headers | {"user-agent": "Golem-Hive-Webhook/1"},
        content=call.body.encode(),
        extensions={"sni_hostname": url.raw_host.decode("ascii")},
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        said = await _beginning(response)
    finally:
        await response.aclose()
    if response.is_redirect:
        said = "it answers with a redirect, which is not followed: give the address it leads to"
    return Answer(is_taken=response.is_success, status=response.status_code, text=said)


async def _beginning(response: httpx.Response) -> str:
    """No more of the body than is kept."""
    said = b""
    async for part in response.aiter_raw(MOST_LETTERS):
        said += part
        if len(said) >= MOST_LETTERS:
            break
    return said[:MOST_LETTERS].decode("utf-8", "replace")


@cache
def _trusted() -> SSLContext:
    """Made once: it reads all certificates."""
    return httpx.create_ssl_context(trust_env=False)
