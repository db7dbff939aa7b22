"""Connect to a socket that a payload has made in its own folder, and to no other.

The agent may be root, and the folder belongs to whoever runs in it: a link laid there in the socket's place
must not lead to the Docker engine's. So the socket is taken hold of first, without following links, looked
at, and connected to by its descriptor; which also makes long paths good: a socket's name has 108 bytes.

Standard library only: the guard uses it too.
"""

from __future__ import annotations

import errno
import os
import socket
import stat


def connected(path: str, owner: int) -> socket.socket:
    """Raises OSError: it is not there, not a socket, somebody else's, or nobody listens."""
    held = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        found = os.fstat(held)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != owner:
            raise OSError(errno.EPERM, "it is not the replica's own socket", path)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(f"/proc/self/fd/{held}")
        except OSError:
            connection.close()
            raise
        return connection
    finally:
        os.close(held)
