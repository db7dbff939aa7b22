"""What every message is made of, and what it may bear: whatever is read can be stored and reckoned with."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

CENTURY_S = 100 * 365 * 24 * 3600
"""No span of time is longer."""

Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
Millis = Annotated[int, Meta(ge=0, lt=1 << 62)]
Seconds = Annotated[float, Meta(ge=0, le=CENTURY_S)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Bytes = Annotated[int, Meta(ge=0, lt=1 << 62)]
Rate = Annotated[float, Meta(ge=0, lt=1e15)]
Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")]
"""What may name a folder or a container: nothing that leads elsewhere."""
Word = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]
"""Without NUL, which ends a word wherever the kernel or bubblewrap reads one: the rest would be another."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of what travels as a frame of its own; `type` on the wire is the class name."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what travels inside a message."""
