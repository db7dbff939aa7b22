"""The Queen's settings on servers of the tests' own.

Naming the servers needs none of them to run: the `stack` fixture starts them when the first test asks for a
database, so that pure tests stay fast.
"""

import os
import tempfile

from hive_portal.stack import HiveHome, Stack

home = HiveHome(tempfile.mkdtemp(prefix="hive-tests-"))
home.path.chmod(0o711)
stack = Stack(home, durable=False)

os.environ.update(stack.env, HIVE_SECRET_KEY="tests")
os.environ.pop("HIVE_DEBUG", None)

from hive_portal.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Threads close their connections at once: the test database is dropped at the end.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
# The flush between transactional tests empties tables that triggers keep; only these sessions may.
DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c hive.may_truncate=on"  # noqa: F405
