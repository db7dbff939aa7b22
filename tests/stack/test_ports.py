"""TCP ports on this machine."""

import socket

import pytest

from hive_portal.stack import StackError, ports


@pytest.fixture
def taken() -> socket.socket:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server


def test_it_names_a_port_in_use_and_the_option_that_chooses_another(taken: socket.socket) -> None:
    port = taken.getsockname()[1]

    with pytest.raises(
        StackError, match=f"port {port} is in use by another program: choose another with --edge-port"
    ):
        ports.claim(port, "--edge-port")


def test_it_prefers_the_wanted_port_but_finds_another(taken: socket.socket) -> None:
    port = taken.getsockname()[1]

    assert ports.find(preferred=port) != port
    taken.close()
    assert ports.find(preferred=port) == port
