"""TCP ports on this machine."""

import socket

from hive_portal.stack.errors import StackError

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def claim(port: int, option: str = "--port", host: str = LOOPBACK) -> int:
    """The port, when it is free.

    Raises:
        StackError: naming the port and the option that chooses another.
    """
    if is_free(port, host):
        return port
    if port < 1024:
        raise StackError(f"port {port} is in use or needs root: choose another with {option}")
    raise StackError(f"port {port} is in use by another program: choose another with {option}")


def find(preferred: int = 0) -> int:
    """A free port on loopback: the preferred one when it is free, else one the kernel chooses."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
