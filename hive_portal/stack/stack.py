"""All embedded servers of one Hive, as one thing to start and stop."""

import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from hive_portal.stack.chain import CHAIN_ID, Chain
from hive_portal.stack.envoy import Edge
from hive_portal.stack.home import HiveHome
from hive_portal.stack.postgres import Postgres
from hive_portal.stack.process import Child
from hive_portal.stack.redis import Redis


class Server(Protocol):
    """What PostgreSQL, Redis, Envoy and the chain have in common."""

    child: Child

    def start(self) -> None: ...

    def ready(self) -> bool: ...


class Stack:
    """PostgreSQL and Redis, and when asked the edge and the development chain.

    A server whose address the environment gives (`DATABASE_URL`, `REDIS_URL`, `HIVE_EDGE_DIR`,
    `HIVE_RPC_URL`) is someone else's and is left alone.

    Args:
        edge_port: where the edge listens; None for no edge.
        chain: whether to run the development chain.
        durable: False for tests.
    """

    def __init__(
        self,
        home: HiveHome,
        *,
        edge_port: int | None = None,
        host: str = "127.0.0.1",
        chain: bool = False,
        durable: bool = True,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.home = home
        self.postgres = None if "DATABASE_URL" in environ else Postgres(home, durable=durable)
        self.redis = None if "REDIS_URL" in environ else Redis(home)
        wants_edge = edge_port is not None and "HIVE_EDGE_DIR" not in environ
        self.edge = Edge(home, port=edge_port, host=host) if wants_edge and edge_port is not None else None
        self.chain = Chain(home) if chain and "HIVE_RPC_URL" not in environ else None

    @property
    def servers(self) -> list[Server]:
        """In the order of starting."""
        every: list[Server | None] = [self.postgres, self.redis, self.chain, self.edge]
        return [server for server in every if server is not None]

    @property
    def env(self) -> dict[str, str]:
        """What Django, Celery and uvicorn need to find the servers; those given are left out."""
        env = {"HIVE_HOME": str(self.home.path)}
        if self.postgres:
            env["DATABASE_URL"] = self.postgres.url
        if self.redis:
            env["REDIS_URL"] = self.redis.url
        if self.edge:
            env["HIVE_EDGE_DIR"] = str(self.edge.folder)
            env["HIVE_EDGE_ADMIN"] = self.edge.admin_url
            env["HIVE_EDGE_URL"] = self.edge.url
        if self.chain:
            env["HIVE_RPC_URL"] = self.chain.url
            env["HIVE_CHAIN_ID"] = str(CHAIN_ID)
            env["HIVE_GLM_TOKEN"] = self.chain.token
            env["HIVE_MULTI_TRANSFER"] = self.chain.multi_transfer
        return env

    def start(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Take the home, start every server at once and wait for all of them; undone when one fails.

        Raises:
            StackError: with what the user can do.
        """
        self.home.lock()
        try:
            for server in self.servers:
                server.start()
            for server in self.servers:
                server.child.wait_until_ready(server.ready)
                say(f"{server.child.name} is ready")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every server, those that others stand on last."""
        for server in reversed(self.servers):
            server.child.stop()
        self.home.unlock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
