"""Golem Hive from outside: a small typed SDK and the `hive` command, over the REST API alone.

>>> from hive_client import Hive
>>> hive = Hive("https://hive.example", "hive_…")
>>> hive.deploy(open("compose.yaml").read()).url
"""

from hive_client.errors import HiveError
from hive_client.sdk import Hive

__all__ = ["Hive", "HiveError"]
