"""Asking the Docker engine, in threads of our own: a slow engine stops neither the link nor a probe."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from agent.runtimes.base import RuntimeFault

_TIMEOUT_S = 60
_THREADS, _PULLS = 16, 8
_UNIX = "unix://"

P = ParamSpec("P")
T = TypeVar("T")


class Absent(RuntimeFault):
    """The engine has no such thing."""


class Conflict(RuntimeFault):
    """The engine has it already, or it is in that state already."""


class Engine:
    def __init__(self, socket_path: str) -> None:
        """Raises RuntimeFault where no engine answers."""
        self.socket_path = socket_path
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._pulls = ThreadPoolExecutor(_PULLS, thread_name_prefix="docker-pull")
        try:
            self.api = docker.APIClient(base_url=_UNIX + socket_path, version="auto", timeout=_TIMEOUT_S)
            self.version = str(self.api.version()["Version"])
        except (DockerException, RequestException, OSError) as error:
            raise RuntimeFault(f"no Docker engine answers: {_words(error)}") from error

    @classmethod
    def of_this_machine(cls) -> Engine:
        """The one that DOCKER_HOST names, or the usual one.

        An engine elsewhere is refused: the memory, the CPUs and the clock of the leases are this machine's.
        """
        host = os.environ.get("DOCKER_HOST") or f"{_UNIX}/var/run/docker.sock"
        if not host.startswith(_UNIX):
            raise RuntimeFault(f"DOCKER_HOST is {host}: a bee uses the engine of its own machine, by unix://")
        return cls(host.removeprefix(_UNIX))

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the SDK in a thread; its many kinds of failure become RuntimeFaults that carry its words."""
        return await self._in(self._threads, partial(call, *args, **kwargs))

    async def follow(self, call: Callable[[], Iterable[Any]], note: Callable[[Any], None]) -> None:
        """Take a long answer item by item; if the asker goes, the engine is told by a closed connection."""
        gone = threading.Event()

        def take() -> None:
            for item in call():
                if gone.is_set():
                    return
                note(item)

        try:
            await self._in(self._pulls, take)
        finally:
            gone.set()

    async def _in(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, call)
        except (NotFound, ImageNotFound) as error:
            raise Absent(_words(error)) from error
        except (DockerException, RequestException, OSError) as error:
            conflict = isinstance(error, APIError) and error.status_code == 409
            raise (Conflict if conflict else RuntimeFault)(_words(error)) from error


def _words(error: Exception) -> str:
    return str(error.explanation if isinstance(error, APIError) and error.explanation else error)[:300]
