"""How many requests a minute a key may make, counted in Redis: the same for all processes of the portal."""

from __future__ import annotations

import logging
import math
import uuid
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.commands.core import Script
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.market.keys.policy import policy_of

log = logging.getLogger("hive.market")

MINUTE_MS = 60_000

TAKE_TURN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, span = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
local made = redis.call('ZCARD', KEYS[1])
if made >= most then
    local eldest = redis.call('ZRANGE', KEYS[1], made - most, made - most, 'WITHSCORES')
    return eldest[2] + span - now
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], span)
return 0
"""
"""Counts this request in, or tells in how many ms there is room for it: at most `most` in any `span`."""


class PaceOfKeys(BaseThrottle):
    """Of keys with a limit; for others it asks nothing."""

    _wait_ms = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        policy = policy_of(request.auth)
        if policy is None or policy.requests_per_minute is None:
            return True
        try:
            self._wait_ms = wait_ms(policy.token_id, most=policy.requests_per_minute)
        except redis.RedisError as error:
            # Without Redis nothing is placed either: what a key reads then does no harm.
            log.warning("requests of %s are not counted: %s", policy, error)
            return True
        return self._wait_ms == 0

    def wait(self) -> float:
        """In whole seconds, which `Retry-After` is written in; rounded up, or the next try would fail too."""
        return math.ceil(self._wait_ms / 1000)


def wait_ms(key_id: int, *, most: int) -> int:
    """0 when the request may be made now, which counts it."""
    taken = _script(settings.REDIS_URL)(
        keys=[f"hive:pace:{key_id}"], args=[most, MINUTE_MS, uuid.uuid4().hex]
    )
    return int(taken)


@cache
def _script(url: str) -> Script:
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    return client.register_script(TAKE_TURN)
