"""How Compose writes durations, sizes, ports, commands. Readers raise ValueError with a full sentence."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
from decimal import Decimal, InvalidOperation
from typing import Any

NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}")
PATH = re.compile(r"/[\x21-\x7e]{0,1023}")
"""Of a URL, as it may stand in a request line and in a header: visible ASCII only."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

MAX_PORT = 65535
MAX_CHARACTERS = 64
"""Of a number, duration or size: long before reading one takes longer than people wait."""
MAX_COMMAND_CHARACTERS = 16 * 1024
MAX_DURATION_S = 30 * 86400.0

MAX_PAYLOAD_CHARACTERS, MAX_SIGNATURE_CHARACTERS = 8192, 1024
"""In base64, as `agent.protocol.ImageSignature` has them."""

_UNITS_S = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_SIZE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_GIB = Decimal(1 << 30)
_MILLI = Decimal("0.001")


def shown(value: Any) -> str:
    """A value as people wrote it, short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(value, str) else text


def expected(what: str, value: Any) -> ValueError:
    return ValueError(f"expected {what}, got {shown(value)}")


def is_short(value: Any) -> bool:
    return len(str(value)) <= MAX_CHARACTERS


def whole_number(value: Any, *, least: int, most: int) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value) else value
    if isinstance(number, bool) or not isinstance(number, int):
        raise expected("a whole number", value)
    if not least <= number <= most:
        raise expected(f"from {least} to {most}", value)
    return number


def decimal(value: Any, *, what: str = "a number") -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal) or not is_short(value):
        raise expected(what, value)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise expected(what, value) from None
    if not number.is_finite():
        raise expected(what, value)
    return number


def text(value: Any) -> str:
    """Text, or a number meant as text (`version: 3.8`)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise expected("text", value)
    return str(value)


def name(value: Any) -> str:
    """A part of a host name."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        better = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:40].strip("-")
        hint = f', for example "{better}"' if NAME.fullmatch(better) else ""
        raise ValueError(
            f"{shown(value)} can't be part of a host name: lower-case letters, digits and inner hyphens, "
            f"a letter first, at most 40{hint}"
        )
    return value


def image(value: Any) -> str:
    if not isinstance(value, str) or not IMAGE.fullmatch(value):
        raise expected('an image such as "nginx:1.29"', value)
    return value


def base64_text(value: Any, *, what: str, most: int) -> str:
    """Base64 in one line, however many it was written on."""
    joined = "".join(value.split()) if isinstance(value, str) else ""
    if len(joined) > most:
        raise ValueError(f"expected {what} of at most {most} characters, got {len(joined)}")
    try:
        decoded = base64.b64decode(joined, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise expected(what, value)
    return joined


def signature(value: Any) -> str:
    """What `cosign sign` or an Ed25519 key made of a payload."""
    return base64_text(value, what="a signature in base64", most=MAX_SIGNATURE_CHARACTERS)


def signed_payload(value: Any) -> str:
    """The document that was signed; it names the digest of the image."""
    what = "what was signed, the document that `cosign generate` prints, in base64"
    joined = base64_text(value, what=what, most=MAX_PAYLOAD_CHARACTERS)
    try:
        digest = json.loads(base64.b64decode(joined))["critical"]["image"]["docker-manifest-digest"]
    except (ValueError, LookupError, TypeError, RecursionError):
        digest = None
    if not isinstance(digest, str):
        raise ValueError(f"expected {what}; this one names no critical.image.docker-manifest-digest")
    return joined


def host(value: Any) -> str:
    if not isinstance(value, str) or not HOST.fullmatch(value.lower()):
        raise expected('a host name such as "www.example.org"', value)
    return value.lower()


def duration_s(value: Any) -> float:
    """ "1m30s" -> 90.0. A bare number is refused, as Compose does: seconds, or what?"""
    parts = _DURATION_PART.findall(value) if isinstance(value, str) and is_short(value) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise expected('a duration such as "10s" or "1m30s"', value)
    duration_s = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if duration_s > MAX_DURATION_S:
        raise expected("at most 30d", value)
    return duration_s


def cpu_threads(value: Any) -> Decimal:
    threads = decimal(value, what='a number of CPU threads such as "0.5"')
    if not Decimal("0.01") <= threads <= 4096:
        raise expected("between 0.01 and 4096 CPU threads", value)
    return threads.quantize(_MILLI)


def mem_gib(value: Any) -> Decimal:
    """ "256M" -> 0.250. A number without a unit is bytes, as in Compose."""
    size = _size_gib(value)
    if not Decimal("0.004") <= size <= 16384:
        raise ValueError(f"expected between 4M and 16T, got {shown(value)}")
    return size.quantize(_MILLI)


def storage_gib(value: Any) -> Decimal:
    """ "10G" -> 10.000."""
    size = _size_gib(value)
    if not Decimal("0.016") <= size <= 524288:
        raise ValueError(f"expected between 16M and 512T, got {shown(value)}")
    return size.quantize(_MILLI)


def _size_gib(value: Any) -> Decimal:
    is_size = isinstance(value, str | int) and not isinstance(value, bool) and is_short(value)
    match = _SIZE.fullmatch(str(value)) if is_size else None
    if match is None:
        raise expected('a size such as "256M" or "2G"', value)
    return Decimal(match[1]) * Decimal(1024) ** _SIZE_POWERS[match[2].lower()] / _GIB


def price_per_hour_glm(value: Any) -> Decimal:
    return price_glm(value, what='GLM per hour such as "0.05"')


def price_glm(
    value: Any, what: str = 'GLM such as "0.05"', noun: str = "a price", below_power: int = 9
) -> Decimal:
    """Below ten to the power of `below_power`."""
    price = decimal(value, what=what)
    if price <= 0:
        raise expected(f"{noun} above 0", value)
    if price >= 10**below_power:
        raise expected(f"{noun} below 10^{below_power}", value)
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -18:
        raise expected("at most 18 digits after the point", value)
    return price


def benchmark(value: Any) -> float:
    """A figure of a node's benchmark, in the unit that its name ends with."""
    figure = decimal(value, what='a number such as "100"')
    if not 0 < figure < 10**9:
        raise expected("a number above 0", value)
    return float(figure)


def command(value: Any) -> list[str] | None:
    """A list, or one line split as a shell would."""
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) > MAX_COMMAND_CHARACTERS:
            raise expected(
                f"at most {MAX_COMMAND_CHARACTERS // 1024} KiB in one line, or a list of words", value
            )
        try:
            return shlex.split(value)
        except ValueError as error:
            raise ValueError(f"{shown(value)} can't be split into words: {error}") from None
    if not isinstance(value, list):
        raise expected("a command line or a list of words", value)
    return [text(word) for word in value]


def target_port(value: Any) -> int:
    """The port inside the container of `8080`, "80:8080", "127.0.0.1:80:8080/tcp" or the long form."""
    if isinstance(value, dict):
        unknown = set(value) - {"target", "published", "host_ip", "protocol", "mode", "app_protocol", "name"}
        if unknown or "target" not in value:
            raise ValueError(
                "expected target, published, protocol, mode" + (f", not {min(unknown)}" if unknown else "")
            )
        if value.get("protocol", "tcp") != "tcp":
            raise ValueError("only tcp ports are served by the edge")
        return whole_number(value["target"], least=1, most=MAX_PORT)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise expected('a port such as "8080"', value)
    ports, _, protocol = str(value).partition("/")
    if protocol not in {"", "tcp"}:
        raise ValueError(f"only tcp ports are served by the edge, got {shown(value)}")
    target = ports.rpartition(":")[2]
    if "-" in target:
        raise ValueError(f"a range of ports is not supported, got {shown(value)}: name the one port to serve")
    return whole_number(target, least=1, most=MAX_PORT)


def environment(value: Any) -> dict[str, str]:
    """A map, or a list of NAME=value."""
    if isinstance(value, list):
        value = dict(_pair(item) for item in value)
    if not isinstance(value, dict):
        raise expected("a map, or a list of NAME=value", value)
    for key, item in value.items():
        if not VARIABLE.fullmatch(key):
            raise ValueError(f'"{key}" is no name for a variable: letters, digits and _')
        if item is None:
            raise ValueError(
                f"{key} has no value: the Hive doesn't know your shell's; write {key}: ${{{key}:-value}}"
            )
    return {key: str(item).lower() if isinstance(item, bool) else text(item) for key, item in value.items()}


def labels(value: Any) -> dict[str, str]:
    """A map, or a list of name=value; a label without a value is empty."""
    if isinstance(value, list):
        value = {key: item or "" for key, item in map(_pair, value)}
    if not isinstance(value, dict):
        raise expected("a map, or a list of name=value", value)
    return {key: "" if item is None else str(item) for key, item in value.items()}


def _pair(item: Any) -> tuple[str, str | None]:
    key, equals, value = text(item).partition("=")
    return key, value if equals else None
