"""Messages as text frames, and back: which ones either side may send, and how long one may be."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from agent.protocol.base import Message
from agent.protocol.console import OpenStream
from agent.protocol.greeting import Challenge, Hello, Refused, Welcome
from agent.protocol.heartbeat import Observed, Wanted
from agent.protocol.measuring import Benchmarks, Echo, Ping, Pong, Probe
from agent.protocol.metering import DebitNotes, UsageReports
from agent.protocol.negotiation import Answers
from agent.protocol.offers import Offers

MAX_FRAME_BYTES = 1 << 20

FromBee = Hello | Offers | Answers | Observed | UsageReports | DebitNotes | Probe | Pong | Benchmarks
FromQueen = Challenge | Welcome | Refused | Wanted | OpenStream | Echo | Ping

M = TypeVar("M")

_encoder = msgspec.json.Encoder()
_from_bee = msgspec.json.Decoder(FromBee)
_from_queen = msgspec.json.Decoder(FromQueen)


class ProtocolError(ValueError):
    """A frame that is no message; its text names the field."""


def encode(message: Message) -> str:
    return _encoder.encode(message).decode()


def decode_from_bee(frame: str | bytes) -> FromBee:
    return _decode(_from_bee, frame)


def decode_from_queen(frame: str | bytes) -> FromQueen:
    return _decode(_from_queen, frame)


def _decode(decoder: msgspec.json.Decoder[M], frame: str | bytes) -> M:
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(f"frame of {len(frame)} bytes: at most {MAX_FRAME_BYTES} are taken")
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(str(error)) from None
