"""Whose address a webhook may be: the Hive's own network is nobody's to be asked through the Hive."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading

import httpx
import pytest

from apps.teams.notices import posting
from apps.teams.notices.posting import Answer, Call, Mail, send
from apps.teams.notices.reaching import checked_url, embedded, is_public
from tests.teams.receiver import Receiver, receiving

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def call(url: str, networks=()) -> Answer:
    return asyncio.run(send(Call(url=url, headers={"webhook-id": "1"}, body="{}", networks=networks)))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
        "192.88.99.1",
        "198.18.0.1",
        "[::127.0.0.1]",
        "[fec0::1]",
        "[3fff::1]",
        "[2001:db8::1]",
        "[100::1]",
        "[5f00::1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:c058:6301::]",
    ],
)
def test_it_asks_nothing_of_the_hives_own_network(host: str) -> None:
    """With all the ways to write it that a resolver understands."""
    told = call(f"https://{host}:65535/")
    assert not told.is_taken and told.status is None
    assert "not an address of the public internet" in told.text or "can't be resolved" in told.text


@pytest.mark.parametrize(
    "url, because",
    [
        ("https://example.org:22/", "port 22 is no webhook's: expected 443, or 1024 and above"),
        ("https://8.8.8.8:25/", "port 25 is no webhook's"),
        ("https://example.org:80/", "port 80 is no webhook's"),
        ("https://example.org:0/", "port 0 is no webhook's"),
        ("ftp://example.org/", "expected https://"),
        ("example.org/hook", "expected https://"),
        ("https://", "expected https://"),
        ("http://example.org/", "expected https://"),
        ("http://8.8.8.8/", "expected https://"),
        ("https://10.0.0.1/", "^10.0.0.1 is not an address of the public internet"),
        ("https://[::ffff:10.0.0.1]/", "is not an address of the public internet"),
        ("https://name:secret@example.org/", "leave out name and password"),
        ("https://example.org/#part", "leave out"),
        ("https://example.org/" + "x" * 500, "at most 500"),
        ("https://exa\x00mple.org/", "is no address"),
        ("javascript:alert(1)", "expected https://"),
    ],
)
def test_it_refuses_with_a_word_what_is_no_address_of_a_webhook(url: str, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        checked_url(url, networks=[])


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"])
def test_it_takes_what_is_public(host: str) -> None:
    assert is_public(embedded(ipaddress.ip_address(host)))


def test_it_calls_a_name_at_no_other_port_of_the_public_internet(monkeypatch) -> None:
    """Where the Hive has networks of its own the port is judged by where the name leads to."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: [(2, 1, 6, "", ("8.8.8.8", 22))])
    assert checked_url("https://example.org:22/", networks=LOOPBACK)
    assert "port 22 is no webhook's" in call("https://example.org:22/", LOOPBACK).text


def test_it_takes_public_addresses_over_tls() -> None:
    assert str(checked_url(" https://hooks.example.org:8443/a?b=c ", networks=[])) == (
        "https://hooks.example.org:8443/a?b=c"
    )


@pytest.mark.real
class TestOnLoopback:
    @pytest.fixture
    def receiver(self):
        with receiving() as server:
            yield server

    def test_it_calls_networks_that_a_setting_allows_and_no_others(self, receiver: Receiver) -> None:
        assert call(receiver.url, LOOPBACK).is_taken
        assert not call(receiver.url, [ipaddress.ip_network("10.0.0.0/8")]).is_taken
        assert len(receiver.requests) == 1

    def test_it_connects_to_the_address_that_was_judged(self, receiver, monkeypatch) -> None:
        """A name that means loopback only the second time is asked for once."""
        port = receiver.server.server_address[1]
        answers = iter(["127.0.0.1", "10.0.0.1"])

        def rebinding(host, *_args, **_kwargs):
            assert host == "rebinding.example"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        assert call(f"http://rebinding.example:{port}/hook", LOOPBACK).is_taken
        assert receiver.requests[0][0]["host"] == f"rebinding.example:{port}"
        assert next(answers) == "10.0.0.1", "it was asked for once"

    def test_it_follows_no_redirect(self, receiver: Receiver) -> None:
        receiver.status, receiver.headers = 307, {"Location": receiver.url}
        told = call(receiver.url, LOOPBACK)
        assert (told.is_taken, told.status, len(receiver.requests)) == (False, 307, 1)
        assert "not followed" in told.text

    def test_it_keeps_the_beginning_of_a_long_answer(self, receiver: Receiver) -> None:
        receiver.says = b"\x00ab" * 1_000_000
        receiver.status = 200
        told = call(receiver.url, LOOPBACK)
        assert told.is_taken
        assert 500 < len(told.text) <= 1000 and "\x00" not in told.text

    def test_it_waits_no_longer_for_what_trickles_in(self, monkeypatch) -> None:
        """A byte at a time, each well before the time for a byte is over."""
        monkeypatch.setattr(posting, "TIME_S", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            trickling = threading.Thread(target=_trickle, args=(listener,))
            trickling.start()
            told = call(f"http://127.0.0.1:{listener.getsockname()[1]}/", LOOPBACK)
        trickling.join()
        assert (told.is_taken, told.text) == (False, "no whole answer within 0.5 s")

    def test_it_waits_no_longer_for_a_name(self, monkeypatch) -> None:
        """Nor for the thread in which the resolver still sits."""
        resolver = Stuck()
        monkeypatch.setattr(posting, "TIME_S", 0.2)
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        told = call("https://slow.example/")
        assert (told.text, resolver.is_free) == ("no whole answer within 0.2 s", False)
        resolver.free()

    def test_it_waits_no_longer_for_a_mail_server(self, monkeypatch) -> None:
        server = Stuck()
        monkeypatch.setattr(posting, "MAIL_TIME_S", 0.2)
        monkeypatch.setattr(posting, "send_mail", server)
        told = asyncio.run(send(Mail(address="olga@bakery.example", subject="80 %", text="are used")))
        assert (told.text, server.is_free) == ("the mail server did not take it within 0.2 s", False)
        server.free()

    def test_it_says_what_went_wrong(self, receiver: Receiver) -> None:
        nobody = receiver.url.replace(receiver.url.split(":")[2], "1/")
        assert "connect" in call(nobody, LOOPBACK).text.lower()
        assert isinstance(httpx.URL(receiver.url), httpx.URL)


class Stuck:
    """Stands for a call that nobody can interrupt: it returns once it is freed, or after half a minute."""

    def __init__(self) -> None:
        self._freed, self._left = threading.Event(), threading.Event()

    def __call__(self, *_args, **_kwargs) -> None:
        self._freed.wait(30)
        self._left.set()
        raise OSError("nobody answered")

    @property
    def is_free(self) -> bool:
        return self._left.is_set()

    def free(self) -> None:
        self._freed.set()
        assert self._left.wait(30)


def _trickle(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    stop = threading.Event()
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            connection.sendall(b"x")
    except OSError:
        connection.close()
