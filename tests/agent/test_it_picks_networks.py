"""Addresses for a container's network: none that anything on the machine uses already."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from agent.runtimes.base import RuntimeFault
from agent.runtimes.docker.networks import RANGE, next_subnet, routes

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t000012C6\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_it_reads_the_ways_of_the_machine() -> None:
    assert routes(ROUTES) == [IPv4Network("172.17.0.0/16"), IPv4Network("198.18.0.0/16")]


def test_it_takes_the_next_that_overlaps_nothing() -> None:
    assert next_subnet([], start=0) == IPv4Network("198.18.0.0/29")
    assert next_subnet([IPv4Network("198.18.0.8/30")], start=1) == IPv4Network("198.18.0.16/29")
    assert next_subnet(routes(ROUTES), start=5) == IPv4Network("198.19.0.0/29")


def test_it_comes_round_from_the_end_to_the_beginning() -> None:
    last = (1 << 14) - 1
    assert next_subnet([IPv4Network("198.19.255.248/29")], start=last) == IPv4Network("198.18.0.0/29")


def test_it_starts_anywhere_so_that_two_bees_seldom_want_the_same() -> None:
    assert len({next_subnet([]) for _ in range(20)}) > 10


def test_it_says_when_there_is_none_left() -> None:
    with pytest.raises(RuntimeFault, match=r"every address of 198\.18\.0\.0/15 is taken"):
        next_subnet([RANGE])
