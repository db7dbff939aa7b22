"""The servers a Hive embeds where none is given: PostgreSQL, Redis, Envoy, the development chain.

No Django in here.
"""

from hive_portal.stack.errors import StackError
from hive_portal.stack.home import HiveHome
from hive_portal.stack.stack import Stack

__all__ = ["HiveHome", "Stack", "StackError"]
