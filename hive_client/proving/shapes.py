"""What an export has, member by member: no more, no less, and of the right kind."""

from __future__ import annotations

import re
from typing import Any

from hive_client.proving.located import Document, Path

AMOUNT = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{0,17}[1-9])?")
"""As the Hive writes them: no sign, no exponent, no needless zero; at most 18 places."""

PRICE = dict.fromkeys(("start_glm", "cpu_second_glm", "second_glm", "egress_gib_glm"), AMOUNT)
TERMS = {
    **dict.fromkeys(("agreement_id", "requestor", "provider", "offer_id", "runtime", "image", "team"), str),
    **dict.fromkeys(("cpu_threads", "mem_gib", "storage_gib"), AMOUNT),
    **dict.fromkeys(("gpus", "valid_from_ms", "expires_at_ms"), int),
    "price": PRICE,
}
REPORT = {
    **dict.fromkeys(
        ("sequence", "started_at_ms", "ended_at_ms", "running_ms", "cpu_ms", "egress_bytes"), int
    ),
    **dict.fromkeys(("billed_running_ms", "billed_cpu_ms", "billed_egress_bytes"), int),
    **dict.fromkeys(("previous_hash", "hash", "signature", "reduced_because"), str),
    **dict.fromkeys(("final", "here"), bool),
    "cost_glm": AMOUNT,
}
AGREEMENT = {
    "terms": TERMS,
    "requestor_signature": str,
    "provider_signature": str,
    "reports": [REPORT],
}
LINE = {
    **dict.fromkeys(("agreement", "reference", "deployment", "service", "replica", "what", "runtime"), str),
    **dict.fromkeys(("node", "node_name", "chain_head", "evidence_hash"), str),
    **dict.fromkeys(("cpu_threads", "mem_gib", "running_s", "cpu_s", "cost_glm"), AMOUNT),
    **dict.fromkeys(("egress_bytes", "first_sequence", "last_sequence"), int),
    "price": PRICE,
}
TAX = {"name": str, "percent": AMOUNT, "base_glm": AMOUNT, "amount_glm": AMOUNT}
PAPER = {
    **dict.fromkeys(("kind", "id", "number", "issued_at"), str),
    **dict.fromkeys(("net_glm", "tax_glm", "total_glm"), AMOUNT),
    "issuer": {**dict.fromkeys(("name", "address", "tax_id", "email", "key"), str), "chain_id": int},
    "customer": dict.fromkeys(("team", "name", "address", "tax_id"), str),
    "taxes": [TAX],
}
INVOICE = PAPER | {
    **dict.fromkeys(("period_start", "period_end", "due_at", "note"), str),
    "lines": [LINE],
}
INVOICE_2 = INVOICE | {"credit_glm": AMOUNT}
"""Since it says what of it was used on credit."""
CREDIT_NOTE = PAPER | dict.fromkeys(("credits", "reason"), str)


def must_be_shaped(document: Document, path: Path, value: Any, shape: Any) -> None:
    """Raises Wrong at the first member that is missing, or not what it should be."""
    if isinstance(shape, dict):
        _object(document, path, value, shape)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise document.wrong(path, "expected a list")
        for number, each in enumerate(value):
            must_be_shaped(document, (*path, number), each, shape[0])
    elif shape is AMOUNT:
        if not (isinstance(value, str) and AMOUNT.fullmatch(value)):
            raise document.wrong(path, 'expected an amount such as "0.0125"')
    elif type(value) is not shape:
        raise document.wrong(path, f"expected {_NAMES[shape]}")


def _object(document: Document, path: Path, value: Any, shape: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        raise document.wrong(path, "expected an object")
    for name in value:
        if name not in shape:
            raise document.wrong((*path, name), "does not belong here")
    for name, inner in shape.items():
        if name not in value:
            raise document.wrong((*path, name), "is missing")
        must_be_shaped(document, (*path, name), value[name], inner)


_NAMES = {str: "a text", int: "a whole number", bool: "true or false"}
