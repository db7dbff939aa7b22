"""How long it was computed, whoever else uses the machine."""

from __future__ import annotations

import time

import psutil


def computed_s() -> float:
    """CPU time of this process and of the database's for it: one core's."""
    from django.db import connection

    connection.ensure_connection()
    database = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    return time.process_time() + database.user + database.system
